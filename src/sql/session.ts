// A client's session as statements see it, and the service that the server room drives.

import type { EngineSession } from '../engine/engine-driver.ts';
import type { DerivedKeys } from '../format/derived-keys.ts';
import type { Column, SqlValue, StatementResult } from '../model/result.ts';
import type { TenantMode } from '../model/tenant.ts';

/** Who is connected, to which tenant, and what only this session knows. */
export interface Session {
  /** Connection id, unique while the server runs. */
  readonly id: number;
  readonly user: string;
  readonly tenantId: number;
  readonly tenantName: string;
  readonly mode: TenantMode;
  /** Address of the client, without port. */
  readonly host: string;
  readonly isTls: boolean;
  /** Database chosen with USE; null for none. */
  database: string | null;
  /** Session variables set by the client, lower case without `@@`. */
  readonly variables: Map<string, SqlValue>;
  /** User variables (`@x`). */
  readonly userVariables: Map<string, SqlValue>;
  /** `SET ENCRYPTION`: password for the next backup of this session. */
  encryptionPassword: string | null;
  /** What backups of this session have derived from it; cleared with it. */
  readonly encryptionKeys: DerivedKeys;
  /** `SET DECRYPTION`: passwords for the next restores of this session. */
  decryptionPasswords: readonly string[];
  /** What restores of this session have derived from them; cleared with them. */
  readonly decryptionKeys: DerivedKeys;
  /** `ADD RESTORE SOURCE` list. */
  restoreSources: string[];
  /** Warnings of the last statement, for SHOW WARNINGS. */
  warnings: SessionWarning[];
  lastInsertId: bigint;
  /** The last statement's affected rows, for ROW_COUNT(). */
  rowCount: bigint;
  /** Opened at the first statement that needs the engine. */
  engine: EngineSession | null;
  /** How `engine` was opened: false when the account may only read. */
  mayEngineWrite: boolean;
  /** What SHOW PROCESSLIST shows of the running statement: secrets already redacted; null when idle. */
  running: string | null;
  /** When the session or its running statement began, ms of the monotonic clock. */
  sinceMs: number;
}

export interface SessionWarning {
  level: 'Warning' | 'Note' | 'Error';
  errno: number;
  message: string;
}

/** What a client said when it logged in. */
export interface LoginRequest {
  /** As sent: `root@mysql_tenant`, `root@t#cluster`, `cluster:t:root`, … */
  userText: string;
  host: string;
  isLoopback: boolean;
  isTls: boolean;
  database: string | null;
}

/** An account found for a login; its stored verifiers, never its password. */
export interface LoginAccount {
  user: string;
  tenantId: number;
  tenantName: string;
  mode: TenantMode;
  /** SHA1(SHA1(password)); empty for an empty password. For mysql_native_password. */
  nativeHash: Uint8Array;
  /** SHA256(SHA256(password)); empty for an empty password. For caching_sha2_password's fast path. */
  sha2Hash: Uint8Array;
  /** False for an unknown user: the check goes through the same motions and then fails. */
  isReal: boolean;
}

/** What the server room needs of everything above the wire. */
export interface SqlService {
  /**
   * Finds the account of a login.
   * @throws ACCESS_DENIED (1045), TENANT_NOT_EXIST (5160), PASSWORD_REQUIRED
   */
  findAccount(request: LoginRequest): LoginAccount;
  /**
   * Opens a session after the password was checked, and records the log-in.
   * @throws ACCOUNT_LOCKED (3118); ACCESS_DENIED (1045) when the account has changed since `findAccount`;
   *         UNKNOWN_DATABASE (1049) for the named database
   */
  openSession(account: LoginAccount, request: LoginRequest, connectionId: number): Promise<Session>;
  /** Records a log-in that failed before a session could be opened. */
  noteFailedLogin(request: LoginRequest, error: unknown): void;
  closeSession(session: Session): Promise<void>;
  /** COM_RESET_CONNECTION: rolls back, forgets variables, passwords and temporary objects. */
  resetSession(session: Session): Promise<void>;
  useDatabase(session: Session, database: string): Promise<void>;
  /**
   * Runs one statement. `parameters` only from COM_STMT_EXECUTE.
   * Errors are thrown as expected errors; the caller renders them with `toClientError(error, session.mode)`.
   */
  execute(
    session: Session,
    sql: string,
    parameters: readonly SqlValue[],
    signal: AbortSignal,
  ): Promise<StatementResult>;
  /** COM_STMT_PREPARE: parameter count and columns, without running it. */
  prepare(session: Session, sql: string): Promise<{ parameterCount: number; columns: Column[] }>;
  /**
   * Splits a multi-statement text at its semicolons; comments and strings are respected.
   * @param mode of the session (default mysql): it decides whether a backslash escapes a quote, so where a string ends
   */
  split(sql: string, mode?: TenantMode): string[];
  /** True between BEGIN and COMMIT: the status flag of OK packets. */
  isInTransaction(session: Session): boolean;
  /** Version text of the handshake, for example `5.7.25-OceanBase-v4.3.3.0-Holdfast-0.1.0`. */
  readonly serverVersion: string;
}
