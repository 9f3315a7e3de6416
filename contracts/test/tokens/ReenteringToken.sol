// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {TestToken} from "../TestToken.sol";

/// @title Calls back on every transfer, and keeps what came of it
/// @dev Anybody sets the call: the thief may be the token's author, a receiver hook, or both.
contract ReenteringToken is TestToken {
    address public target;
    bytes public call;
    uint256 public attempts;
    uint256 public successes;
    bytes public lastResult;

    bool private _inside;

    function setCall(address target_, bytes calldata call_) external {
        target = target_;
        call = call_;
    }

    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) public override {
        _reenter();
        super.permit(owner, spender, value, deadline, v, r, s);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        _reenter();
    }

    function _reenter() private {
        if (target == address(0) || _inside) {
            return;
        }
        _inside = true;
        ++attempts;
        (bool success, bytes memory result) = target.call(call);
        successes += success ? 1 : 0;
        lastResult = result;
        _inside = false;
    }
}
