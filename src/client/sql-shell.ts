// `holdfast sql`: a small MySQL client with tables, \G, history and a progress bar for work it started.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { redactSecrets } from '../sql/grammar/redact.ts';
import { formatTable, formatVertical } from './result-table.ts';
import { type Answer, formatError, type SqlClient } from './sql-client.ts';
import { StatementReader, type TypedStatement } from './statement-reader.ts';
import { followWork, formatBar, startedWork } from './work-progress.ts';

/** Statements kept in the history file's memory. */
const HISTORY_LINES_MAX = 1000;
const MS_PER_SECOND = 1000;

export interface ShellOptions {
  client: SqlClient;
  out: NodeJS.WritableStream & { isTTY?: boolean };
  err: NodeJS.WritableStream;
  /** Wait for a started backup or restore, with a bar where `out` is a terminal. */
  isFollowing: boolean;
  monotonicMs: () => number;
}

function describe(answer: Answer, isVertical: boolean, seconds: number): string {
  const time = `(${seconds.toFixed(3)} sec)`;
  const warnings = answer.warnings > 0 ? `, ${answer.warnings} warning${answer.warnings === 1 ? '' : 's'}` : '';
  if (answer.kind === 'ok') {
    const rows = answer.affectedRows === 1n ? '1 row' : `${answer.affectedRows} rows`;
    return `Query OK, ${rows} affected${warnings} ${time}\n`;
  }
  const { result } = answer;
  if (result.rows.length === 0) return `Empty set${warnings} ${time}\n`;
  const body = isVertical ? formatVertical(result) : formatTable(result);
  const count = result.rows.length === 1 ? '1 row' : `${result.rows.length} rows`;
  return `${body}${count} in set${warnings} ${time}\n`;
}

/** Runs one statement and prints what it answered. @returns false when it failed */
async function runTyped(options: ShellOptions, statement: TypedStatement): Promise<boolean> {
  const { client, out, err } = options;
  const beganMs = options.monotonicMs();
  try {
    const answer = await client.run(statement.sql);
    out.write(describe(answer, statement.isVertical, (options.monotonicMs() - beganMs) / MS_PER_SECOND));
    if (answer.warnings > 0 && !/^\s*SHOW\s/i.test(statement.sql)) await printWarnings(options);
    const work = startedWork(statement.sql);
    return work && options.isFollowing ? await follow(options, work) : true;
  } catch (error) {
    err.write(`${formatError(error)}\n`);
    return false;
  }
}

async function printWarnings({ client, out }: ShellOptions): Promise<void> {
  for (const row of await client.rows('SHOW WARNINGS')) out.write(`${row.Level} ${row.Code}: ${row.Message}\n`);
}

async function follow({ client, out }: ShellOptions, what: 'backup' | 'restore'): Promise<boolean> {
  const isTerminal = out.isTTY === true;
  const outcomes = await followWork(client, what, (progress) => {
    const [first] = progress;
    if (isTerminal && first)
      out.write(`\r\u001b[K${formatBar(first)}${progress.length > 1 ? ` (+${progress.length - 1})` : ''}`);
  });
  if (isTerminal) out.write('\r\u001b[K');
  for (const outcome of outcomes) {
    out.write(`${outcome.label}: ${outcome.status}${outcome.comment ? ` ${outcome.comment}` : ''}\n`);
  }
  return outcomes.every(({ isGood }) => isGood);
}

/** `-e` and scripts: every statement in turn, stopping at the first that fails. */
export async function runScript(options: ShellOptions, text: string): Promise<boolean> {
  const reader = new StatementReader();
  for (const statement of [...reader.take(text), ...reader.rest()]) {
    if (!(await runTyped(options, statement))) return false;
  }
  return true;
}

const HELP = `Statements end with ; or \\G (one column a line).
  \\q, exit, quit   leave        \\c   forget what is typed        \\h, help   this text
`;

function loadHistory(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).slice(-HISTORY_LINES_MAX).reverse();
}

/** A line with a password in it is not kept. */
function remember(path: string, line: string): void {
  if (line.trim() === '' || redactSecrets(line, 'mysql') !== line) return;
  appendFileSync(path, `${line}\n`, { mode: 0o600 });
}

/** The interactive prompt. Resolves when the user leaves. */
export async function runInteractive(
  options: ShellOptions & { input: NodeJS.ReadableStream; historyPath: string; prompt: string },
): Promise<void> {
  const reader = new StatementReader();
  const lines: Interface = createInterface({
    input: options.input,
    output: options.out,
    history: loadHistory(options.historyPath),
    historySize: HISTORY_LINES_MAX,
    removeHistoryDuplicates: true,
  });
  const ask = () => {
    lines.setPrompt(reader.isPending ? `${' '.repeat(Math.max(0, options.prompt.length - 3))}-> ` : options.prompt);
    lines.prompt();
  };
  lines.on('SIGINT', () => {
    options.out.write(reader.isPending ? '^C\n' : '^C (\\q leaves)\n');
    reader.clear();
    ask();
  });
  ask();
  for await (const line of lines) {
    const word = line.trim().replace(/;$/, '').toLowerCase();
    if (!reader.isPending && ['\\q', 'exit', 'quit'].includes(word)) break;
    remember(options.historyPath, line);
    if (word === '\\c') reader.clear();
    else if (!reader.isPending && ['\\h', 'help', '?'].includes(word)) options.out.write(HELP);
    else for (const statement of reader.take(`${line}\n`)) await runTyped(options, statement);
    ask();
  }
  lines.close();
}
