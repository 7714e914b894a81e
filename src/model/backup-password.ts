// Passwords of backup sets and key files.

/** In characters: a bound before key derivation. */
export const BACKUP_PASSWORD_CHARS_MAX = 1024;

export function isBackupPassword(password: string): boolean {
  return password !== '' && password.length <= BACKUP_PASSWORD_CHARS_MAX;
}
