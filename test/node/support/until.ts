/** Waits until `ready`; fails with `what` did not come within `ms`. */
export async function until(
  what: string,
  ready: () => boolean | Promise<boolean>,
  ms = 40_000,
): Promise<void> {
  for (const end = Date.now() + ms; !(await ready()); await new Promise((r) => setTimeout(r, 20))) {
    if (Date.now() > end) throw new Error(`${what} did not come`);
  }
}
