/**
 * Gas that transactions were measured to use (`test/contracts/gas.snapshot.json`, whose names stand behind each), for
 * those that cannot be simulated yet because the state they need is still to come.
 */
export const MEASURED_GAS = {
  /** "open, native coin" */
  depositNative: 55_229n,
  /** "open, ERC-20, limited allowance" */
  depositToken: 78_101n,
  /** An ERC-20 approval from zero: two storage slots and the transaction itself. */
  approve: 46_500n,
  /** "withdraw, ERC-20" */
  withdraw: 80_202n,
  /** "cooperative close, both paid, ERC-20" */
  closeCooperatively: 72_481n,
  /** "unilateral start, with a proof" */
  startClose: 69_161n,
  /** "challenge" */
  challenge: 62_207n,
  /** "settle, ERC-20, both paid" */
  settle: 65_586n,
} as const;
