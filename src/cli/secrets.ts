/** Variables that hold passwords. */
const SECRETS = {
  password: "RIVULET_PASSWORD",
  newPassword: "RIVULET_NEW_PASSWORD",
  backupPassword: "RIVULET_BACKUP_PASSWORD",
} as const;

export type Secrets = { readonly [Name in keyof typeof SECRETS]: string | undefined };

/**
 * Takes the passwords out of the environment, where everything this process starts and every report of a crash would
 * find them. What the system itself shows of how a process was started it goes on showing: a file is better.
 */
export function takeSecrets(env: Record<string, string | undefined>): Secrets {
  const entries = Object.entries(SECRETS).map(([name, variable]) => {
    const value = env[variable];
    delete env[variable];
    return [name, value];
  });
  return Object.fromEntries(entries) as Secrets;
}
