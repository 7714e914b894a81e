// The event log: one JSON object a line on standard error, in the same words as code, SQL and docs.
// Secrets never enter an event; callers pass facts, never statements.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const LEVELS: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

export interface Log {
  debug(event: string, facts?: Record<string, unknown>): void;
  info(event: string, facts?: Record<string, unknown>): void;
  warn(event: string, facts?: Record<string, unknown>): void;
  error(event: string, facts?: Record<string, unknown>): void;
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  // An expected error says all in its message; a stack is for what nobody expected.
  if (value instanceof Error && 'errorName' in value) return { name: value.errorName, message: value.message };
  if (value instanceof Error)
    return { name: value.name, message: value.message, stack: value.stack, cause: value.cause };
  return value;
}

/** A log that writes events of at least `level` through `write` (default: standard error). */
export function createLog(
  level: LogLevel = 'info',
  write: (line: string) => void = (line) => process.stderr.write(line),
): Log {
  const emit =
    (of: LogLevel) =>
    (event: string, facts: Record<string, unknown> = {}) => {
      if (LEVELS[of] < LEVELS[level]) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level: of, event, ...facts }, plain)}\n`);
    };
  return { debug: emit('debug'), info: emit('info'), warn: emit('warn'), error: emit('error') };
}

/** A log that drops everything: for tests and for code that was given none. */
export const silentLog: Log = createLog('error', () => {});
