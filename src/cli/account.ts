/** The address of a private key. */
export async function accountOf(privateKey: Uint8Array): Promise<string> {
  const [{ accountFromKey }, { createCrypto }] = await Promise.all([
    import("../chain/account.ts"),
    import("../crypto/index.ts"),
  ]);
  return accountFromKey(privateKey, await createCrypto()).address;
}
