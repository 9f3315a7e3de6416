import { Interface } from "ethers/abi";
import { escrowInterface } from "./escrow.ts";

/** Why a call reverted: the custom error's name and arguments as text, or what the bytes are. */
export interface Revert {
  /** The error's name, e.g. `Escrow_DeadlinePassed`, `Error`, `Panic`; `Unknown` with the first bytes as its argument. */
  readonly error: string;
  readonly args: Readonly<Record<string, string>>;
}

/** Longest argument kept: a token's revert string is a stranger's text. */
const MAX_ARGUMENT_CHARS = 200;

/** Errors that reach a caller through the escrow: OpenZeppelin's libraries, tokens' standard errors (ERC-6093). */
const FOREIGN = new Interface([
  "error Error(string reason)",
  "error Panic(uint256 code)",
  "error SafeERC20FailedOperation(address token)",
  "error ReentrancyGuardReentrantCall()",
  "error ECDSAInvalidSignature()",
  "error ECDSAInvalidSignatureLength(uint256 length)",
  "error ECDSAInvalidSignatureS(bytes32 s)",
  "error SafeCastOverflowedUintDowncast(uint8 bits, uint256 value)",
  "error FailedCall()",
  "error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed)",
  "error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed)",
  "error ERC20InvalidReceiver(address receiver)",
  "error ERC20InvalidSpender(address spender)",
  "error ERC2612ExpiredSignature(uint256 deadline)",
  "error ERC2612InvalidSigner(address signer, address owner)",
]);

/** Decodes revert data; never throws, whatever the bytes. */
export function decodeRevert(data: string | undefined): Revert {
  if (data === undefined || data === "0x") return { error: "Unknown", args: {} };
  for (const abi of [escrowInterface, FOREIGN]) {
    try {
      const parsed = abi.parseError(data);
      if (parsed === null) continue;
      const args: Record<string, string> = {};
      parsed.fragment.inputs.forEach((input, i) => {
        args[input.name || `${i}`] = String(parsed.args[i]).slice(0, MAX_ARGUMENT_CHARS);
      });
      return { error: parsed.name, args };
    } catch {
      // Not this error's encoding: fall through to the bytes themselves.
    }
  }
  return { error: "Unknown", args: { data: data.slice(0, MAX_ARGUMENT_CHARS) } };
}
