// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ChannelStatus} from "../interfaces/IChannelEscrow.sol";
import {EscrowHandler} from "./EscrowHandler.t.sol";

/// @title Properties 1, 2, 4, 6 and 8 over any sequence of calls
contract InvariantsTest is EscrowHandler {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[13] memory all = [
            this.open.selector,
            this.deposit.selector,
            this.withdraw.selector,
            this.closeCooperatively.selector,
            this.startClose.selector,
            this.challenge.selector,
            this.claim.selector,
            this.claim.selector,
            this.settle.selector,
            this.waitAWhile.selector,
            this.withdrawPayout.selector,
            this.turnHostile.selector,
            this.attack.selector
        ];
        targets = new FuzzSelector[](1);
        targets[0].addr = address(this);
        targets[0].selectors = new bytes4[](all.length);
        for (uint256 i = 0; i < all.length; ++i) {
            targets[0].selectors[i] = all[i];
        }
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function invariant_MoneyIsWholeAndNoAttackSucceeds() external view {
        _theEscrowHoldsExactlyWhatItOwes();
        _everyChannelIsAsTheBooksSay();
        _eq(reached.successfulAttacks, 0, "attacks");
        _eq(_reentries(), 0, "reentries");
    }

    /// @dev Property 1, with equality, because nobody here gives the escrow anything for nothing.
    function _theEscrowHoldsExactlyWhatItOwes() private view {
        for (uint256 i = 0; i < TOKENS; ++i) {
            address tokenAddress = tokens[i];
            _eq(_balance(tokenAddress, address(escrow)), _owedIn(tokenAddress), "held and owed");
        }
    }

    /// @dev Properties 2 and 4: what is stored of a channel is what went in and out, and a settled one stays settled.
    function _everyChannelIsAsTheBooksSay() private view {
        for (uint256 i = 0; i < books.length; ++i) {
            Book storage book = books[i];
            (ChannelStatus status, uint256 d0, uint256 d1, uint256 w0, uint256 w1, ) = escrow.channelState(
                _id(book.channel)
            );
            _eq(book.settled ? 1 : 0, status == ChannelStatus.Settled ? 1 : 0, "settled");
            if (book.settled) {
                _eq(d0 + d1 + w0 + w1 + book.remaining, 0, "nothing is left");
            } else {
                _eq(d0, book.deposited[0], "deposit0");
                _eq(d1, book.deposited[1], "deposit1");
                _eq(w0, book.withdrawn[0], "withdrawn0");
                _eq(w1, book.withdrawn[1], "withdrawn1");
                _eq(d0 + d1 - w0 - w1, book.remaining, "remaining");
            }
        }
    }

    /// @dev A run that reached too little proves too little.
    function afterInvariant() external view {
        _true(reached.settlementsAfterChallenge >= 2, "settlements after a challenge");
        _true(reached.claims >= 2, "claims");
        _true(reached.withdrawalsBeyondOwnDeposit >= 2, "withdrawals beyond the own deposit");
        _true(reached.cooperativeClosesWhileClosing >= 1, "cooperative closes while closing");
        _true(reached.undeliveredPayouts >= 1, "undelivered payouts");
        _true(reached.attacks >= 4, "attacks");
    }
}
