#!/usr/bin/env node
// The `holdfast` command: `serve` runs a server, `sql` is a small client, `inspect` looks at a destination.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { systemClock } from './base/clock.ts';
import { environment } from './base/environment.ts';
import { HoldfastError } from './base/errors.ts';
import type { LogLevel } from './base/log.ts';
import { connect, formatError } from './client/sql-client.ts';
import { runInteractive, runScript, type ShellOptions } from './client/sql-shell.ts';
import { EXIT_FAILED, INSPECT_HELP, inspectCommand } from './inspect/inspect-command.ts';
import { startHoldfast } from './main.ts';
import { VERSION } from './version.ts';

const PORT_DEFAULT = 2881;

const HELP = `holdfast ${VERSION}: tenant-level backup, log archive and point-in-time restore, operated with SQL

  holdfast serve --data-dir DIR [options]      run a server
  holdfast sql -u user@tenant [options]        a small SQL client
  holdfast inspect URI [options]               show what lies at a destination
  holdfast --help | --version

holdfast serve
  --data-dir DIR        everything the server keeps (made at the first start)
  --listen ADDRESS      address to listen on                     [127.0.0.1]
  --port N              port to listen on                        [2881]
  --cluster-name NAME   name of a new cluster                    [holdfast]
  --cluster-id N        id of a new cluster                      [1]
  --time-zone ZONE      zone of a new cluster, +08:00 or a name  [the machine's]
  --tls-key FILE --tls-cert FILE   PEM files                     [made at the first start]
  --log-level LEVEL     debug, info, warn, error                 [info]

holdfast sql
  -u, --user NAME       user@tenant, for example root@sys        [root@sys]
  -h, --host HOST       server                                   [127.0.0.1]
  -P, --port N          port                                     [2881]
  -p, --password        ask for the password (or -pPASSWORD, or MYSQL_PWD)
  -D, --database NAME   database to use
  -e, --execute SQL     run these statements and leave
      --wait            with -e: wait for a backup or restore they start

${INSPECT_HELP}`;

class UsageError extends Error {}

function integer(text: string, name: string, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > max)
    throw new UsageError(`--${name} ${text}: not a number from 0 to ${max}`);
  return value;
}

/** A planned stop archives to the end and ends statements; longer than this it only hangs. */
const STOP_MS_MAX = 60_000;

const PORT_MAX = 65_535;
const CLUSTER_ID_MAX = 2 ** 32 - 1;
const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

function serveOptions(args: string[]) {
  const { values } = parseArgs({
    args,
    options: {
      'data-dir': { type: 'string' },
      listen: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: String(PORT_DEFAULT) },
      'cluster-name': { type: 'string', default: 'holdfast' },
      'cluster-id': { type: 'string', default: '1' },
      'time-zone': { type: 'string' },
      'tls-key': { type: 'string' },
      'tls-cert': { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      help: { type: 'boolean', default: false },
    },
  });
  return values;
}

async function serve(args: string[]): Promise<void> {
  const values = serveOptions(args);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const dataDir = values['data-dir'];
  if (!dataDir) throw new UsageError('serve needs --data-dir DIR');
  const logLevel = LOG_LEVELS.find((level) => level === values['log-level']);
  if (!logLevel) throw new UsageError(`--log-level ${values['log-level']}: one of ${LOG_LEVELS.join(', ')}`);
  const { 'tls-key': key, 'tls-cert': cert } = values;
  if ((key === undefined) !== (cert === undefined)) throw new UsageError('--tls-key and --tls-cert go together');
  const server = await startHoldfast({
    dataDir: resolve(dataDir),
    listen: values.listen,
    port: integer(values.port, 'port', PORT_MAX),
    clusterName: values['cluster-name'],
    clusterId: integer(values['cluster-id'], 'cluster-id', CLUSTER_ID_MAX),
    logLevel,
    ...(values['time-zone'] === undefined ? {} : { timeZone: values['time-zone'] }),
    ...(key === undefined || cert === undefined
      ? {}
      : { tls: { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') } }),
  });
  process.stdout.write(`holdfast ready: mysql ${server.host}:${server.port}\n`);
  await stopOnSignal(() => server.stop());
}

/** Waits for SIGTERM or SIGINT, then stops cleanly; a second signal ends the process at once. */
async function stopOnSignal(stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolveSignal) => {
    let signals = 0;
    const onSignal = () => {
      signals++;
      if (signals === 1) resolveSignal();
      else process.exit(1);
    };
    process.on('SIGTERM', onSignal);
    process.on('SIGINT', onSignal);
  });
  // A server that can not stop in order, for a destination that never answers, ends all the same: the next start goes on.
  setTimeout(() => process.exit(1), STOP_MS_MAX).unref();
  await stop();
  process.exit(0);
}

/** `-pSECRET` as MySQL clients take it; `-p` alone asks. */
function takePassword(args: string[]): { rest: string[]; password: string | undefined; isAsking: boolean } {
  const rest: string[] = [];
  let password: string | undefined;
  let isAsking = false;
  for (const arg of args) {
    if (arg === '-p' || arg === '--password') isAsking = true;
    else if (arg.startsWith('-p')) password = arg.slice(2);
    else if (arg.startsWith('--password=')) password = arg.slice('--password='.length);
    else rest.push(arg);
  }
  return { rest, password, isAsking };
}

async function askPassword(): Promise<string> {
  process.stderr.write('Enter password: ');
  const lines = createInterface({ input: process.stdin, terminal: process.stdin.isTTY === true });
  try {
    return await lines.question('');
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}

function sqlOptions(args: string[]) {
  return parseArgs({
    args,
    options: {
      user: { type: 'string', short: 'u', default: 'root@sys' },
      host: { type: 'string', short: 'h', default: '127.0.0.1' },
      port: { type: 'string', short: 'P', default: String(PORT_DEFAULT) },
      database: { type: 'string', short: 'D' },
      execute: { type: 'string', short: 'e' },
      wait: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  }).values;
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of input) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

async function sql(args: string[]): Promise<void> {
  const { rest, password, isAsking } = takePassword(args);
  const values = sqlOptions(rest);
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const isInteractive = values.execute === undefined && process.stdin.isTTY === true;
  const client = await connect({
    host: values.host,
    port: integer(values.port, 'port', PORT_MAX),
    user: values.user,
    password: isAsking ? await askPassword() : (password ?? environment('MYSQL_PWD') ?? ''),
    ...(values.database === undefined ? {} : { database: values.database }),
  });
  const options: ShellOptions = {
    client,
    out: process.stdout,
    err: process.stderr,
    isFollowing: isInteractive || values.wait,
    monotonicMs: () => systemClock.monotonicMs(),
  };
  try {
    if (isInteractive) {
      const historyPath = join(homedir(), '.holdfast_history');
      await runInteractive({ ...options, input: process.stdin, historyPath, prompt: `holdfast [${values.user}]> ` });
    } else if (!(await runScript(options, values.execute ?? (await readAll(process.stdin))))) {
      process.exitCode = 1;
    }
  } finally {
    await client.close();
  }
}

/** Writes to standard output no faster than it is read; a reader that went away (`| head`) ends the command quietly. */
async function writeOut(text: string): Promise<void> {
  if (process.stdout.write(text)) return;
  await new Promise<void>((drained) => process.stdout.once('drain', drained));
}

async function inspect(args: string[]): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : EXIT_FAILED));
  try {
    process.exitCode = await inspectCommand(args, writeOut);
  } catch (error) {
    process.stderr.write(`${explain(error)}\n`);
    process.exitCode = EXIT_FAILED;
  }
}

async function main(args: string[]): Promise<void> {
  const [command, ...rest] = args;
  if (command === 'serve') return serve(rest);
  if (command === 'sql') return sql(rest);
  if (command === 'inspect') return inspect(rest);
  if (command === '--version' || command === 'version') process.stdout.write(`holdfast ${VERSION}\n`);
  else if (command === undefined || ['--help', '-h', 'help'].includes(command)) process.stdout.write(HELP);
  else throw new UsageError(`unknown command ${command}`);
}

/** One line on what went wrong, and what to do. */
function explain(error: unknown): string {
  if (error instanceof UsageError) return `holdfast: ${error.message}\nholdfast --help shows how it is used`;
  if (error instanceof HoldfastError)
    return `holdfast: ERROR ${error.code}: ${error.message}${error.hint ? `\nHINT: ${error.hint}` : ''}`;
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    return `holdfast: ${error.message}\nholdfast --help shows how it is used`;
  }
  return error instanceof Error && 'errno' in error
    ? formatError(error)
    : `holdfast: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${explain(error)}\n`);
  process.exit(1);
});
