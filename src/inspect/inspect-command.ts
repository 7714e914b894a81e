// The `holdfast inspect` command: its options, where passwords come from, and its exit code.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { fail } from '../base/errors.ts';
import { KIB } from '../base/limits.ts';
import { inspect } from './inspect.ts';
import type { Write } from './print.ts';

export const INSPECT_HELP = `holdfast inspect URI [options]      show what lies at a destination; needs no server, changes nothing

  URI is file:///… of a destination, of a directory backup_set_… or piece_… in it, or of one object;
      or s3://bucket/…?host=… (oss, cos), whose access key comes from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
      (access_id and access_key in the URI work too, and are seen by whoever lists processes)

      --json                 one JSON document instead of text
      --tables               every batch with its commits
      --page N               where page N lies, and every commit that changed it
      --password-file FILE   passwords of encrypted sets, one a line (- reads standard input);
                             without them an encrypted set shows only its manifest

  Exit code 0: no damage found, 1: something is damaged or missing (it is named), 2: it could not be looked at.
  Manifests, indexes, page maps, batch headers and tables are read whole; packs and page images only by their length.
`;

const PAGE_MAX = 2 ** 32 - 1;
/** Lines of a password file; an editor's whole document was not meant. */
const PASSWORD_FILE_BYTES_MAX = 64 * KIB;
const STDIN_FD = 0;

export const EXIT_CLEAN = 0;
export const EXIT_DAMAGED = 1;
export const EXIT_FAILED = 2;

/** @throws INVALID_ARGUMENT (4002) for a file too long to hold passwords */
function readPasswords(path: string | undefined): string[] {
  if (path === undefined) return [];
  const text = readFileSync(path === '-' ? STDIN_FD : path, 'utf8');
  if (text.length > PASSWORD_FILE_BYTES_MAX)
    throw fail('INVALID_ARGUMENT', { what: `--password-file: more than ${PASSWORD_FILE_BYTES_MAX} bytes` });
  return text.split(/\r?\n/).filter((password) => password !== '');
}

function pageNumber(text: string | undefined): number | null {
  if (text === undefined) return null;
  const page = Number(text);
  if (!/^\d+$/.test(text) || page < 1 || page > PAGE_MAX)
    throw fail('INVALID_ARGUMENT', { what: `--page ${text.slice(0, 20)}` });
  return page;
}

/**
 * Runs the command.
 * @param write takes the output; the caller decides what a reader that went away means
 * @returns the exit code
 */
export async function inspectCommand(args: string[], write: Write): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean', default: false },
      tables: { type: 'boolean', default: false },
      page: { type: 'string' },
      'password-file': { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [uri, ...others] = positionals;
  if (values.help || uri === undefined || others.length > 0) {
    await write(INSPECT_HELP);
    return values.help ? EXIT_CLEAN : EXIT_FAILED;
  }
  const damageCount = await inspect(uri, {
    isJson: values.json,
    isWithTables: values.tables,
    page: pageNumber(values.page),
    passwords: readPasswords(values['password-file']),
    write,
  });
  return damageCount === 0 ? EXIT_CLEAN : EXIT_DAMAGED;
}
