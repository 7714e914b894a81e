// From a uri to a destination and what of it is meant: all of it, one set, one piece, or one object.
import { fail, isFailure } from '../base/errors.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import type { FormatFile } from '../format/format-file.ts';
import {
  type ParsedName,
  type PieceRef,
  parseObjectName,
  parsePieceDirectory,
  parseSetDirectory,
  type SetRef,
} from '../format/layout.ts';
import { type DestinationUri, formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';

/** What a uri means. */
export type Meant =
  | { kind: 'destination' }
  | { kind: 'set'; ref: SetRef }
  | { kind: 'piece'; ref: PieceRef }
  | { kind: 'object'; name: string; parsed: ParsedName };

export interface Located {
  destination: Destination;
  format: FormatFile | undefined;
  meant: Meant;
}

/** `piece_…/logstream_1/log/1.obarc` is the deepest name there is. */
const DEPTH_MAX = 4;

/**
 * Finds the destination of a uri: the directory above what the uri's last parts name. A directory whose last part means
 * nothing is a destination.
 * @throws INVALID_BACKUP_DEST (9026), BACKUP_FILE_NOT_EXIST (9011) when nothing of ours is there
 */
export async function locate(text: string, open: (uri: DestinationUri) => Destination): Promise<Located> {
  const uri = parseDestinationUri(text.trim());
  const parts = uri.path.slice(1).split('/');
  for (let depth = DEPTH_MAX; depth >= 1; depth--) {
    if (parts.length <= depth) continue;
    const meant = meantBy(parts.slice(-depth).join('/'));
    if (!meant) continue;
    const destination = open({ ...uri, path: `/${parts.slice(0, -depth).join('/')}` });
    return { destination, format: await formatOf(destination), meant };
  }
  const destination = open(uri);
  const format = await formatOf(destination);
  if (!format && (await destination.list('')).length === 0)
    throw fail('BACKUP_FILE_NOT_EXIST', { file: formatDestinationUri(uri) });
  return { destination, format, meant: { kind: 'destination' } };
}

function meantBy(name: string): Meant | undefined {
  const set = parseSetDirectory(name);
  if (set) return { kind: 'set', ref: set };
  const piece = parsePieceDirectory(name);
  if (piece) return { kind: 'piece', ref: piece };
  const parsed = parseObjectName(name);
  return parsed && { kind: 'object', name, parsed };
}

/** A damaged format file is told when it is printed; it says nothing of whose the rest is. */
async function formatOf(destination: Destination): Promise<FormatFile | undefined> {
  try {
    return await readFormatFile(destination);
  } catch (error) {
    if (isFailure(error, 'BACKUP_FORMAT_FILE_NOT_MATCH')) return undefined;
    throw error;
  }
}
