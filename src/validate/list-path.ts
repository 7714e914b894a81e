// What a path of VALIDATE names: a destination of the tenant, or one set or piece below it.
import { fail } from '../base/errors.ts';
import { listPieces } from '../destination/archive-listing.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import { completeSets } from '../destination/set-listing.ts';
import { parsePieceDirectory, parseSetDirectory, pieceDirectory, setDirectory } from '../format/layout.ts';
import {
  type DestinationUri,
  formatDestinationUri,
  formatObject,
  parseDestinationUri,
} from '../model/destination-uri.ts';
import type { ValidatePathType } from '../model/validate-job.ts';
import type { Target } from './choose-targets.ts';

export interface ListedPath {
  targets: Target[];
  /** As it may be shown. */
  uri: string;
  /** The destination itself, as the path names it. */
  source: DestinationUri;
  pathType: ValidatePathType;
}

/** A path that ends with the name of a set or piece is that one, below its destination. */
export function splitValidatePath(path: string): { uri: DestinationUri; only: string | null } {
  const given = parseDestinationUri(path.trim());
  const slash = given.path.lastIndexOf('/');
  const last = given.path.slice(slash + 1);
  const isObject = slash > 0 && (parseSetDirectory(last) ?? parsePieceDirectory(last));
  return isObject ? { uri: { ...given, path: given.path.slice(0, slash) }, only: last } : { uri: given, only: null };
}

async function setsAt(destination: Destination): Promise<Target[]> {
  const uri = formatDestinationUri(destination.uri);
  const objects = await destination.list('');
  const bytes = new Map<string, bigint>();
  for (const { name, sizeBytes } of objects) {
    const [directory = ''] = name.split('/');
    bytes.set(directory, (bytes.get(directory) ?? 0n) + BigInt(sizeBytes));
  }
  return completeSets(objects).map((ref) => {
    const directory = setDirectory(ref);
    return {
      ...{ taskType: 'BACKUP SET' as const, objectId: ref.backupSetId, directory, uri, destId: 0 },
      ...{ pathType: 'BACKUP_DEST' as const, archiveUri: '', roundId: 0, bytes: bytes.get(directory) ?? 0n },
    };
  });
}

async function piecesAt(destination: Destination): Promise<Target[]> {
  const uri = formatDestinationUri(destination.uri);
  return (await listPieces(destination)).map((piece) => ({
    ...{ taskType: 'BACKUP PIECE' as const, objectId: piece.pieceId, directory: pieceDirectory(piece), uri },
    ...{ pathType: 'ARCHIVELOG_DEST' as const, archiveUri: '', destId: piece.destId, roundId: piece.roundId },
    bytes: piece.segments.reduce((sum, { sizeBytes }) => sum + BigInt(sizeBytes), 0n),
  }));
}

/**
 * Lists what lies at a path.
 * @throws INVALID_BACKUP_DEST (9026); BACKUP_FORMAT_FILE_NOT_EXIST (9080); BACKUP_FORMAT_FILE_NOT_MATCH (9081) for
 *         another tenant's; INVALID_ARGUMENT (4002) for a destination of the other kind
 */
export async function listPath(
  open: (uri: DestinationUri) => Destination,
  path: string,
  of: { owner: { clusterUuid: string; tenantId: number }; isOfSets: boolean },
): Promise<ListedPath> {
  const { uri, only } = splitValidatePath(path);
  const shown = formatDestinationUri(uri);
  await using destination = open(uri);
  const format = await readFormatFile(destination);
  if (!format) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri: shown });
  if (format.clusterUuid !== of.owner.clusterUuid || format.tenantId !== of.owner.tenantId)
    throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri: shown, because: 'it belongs to another cluster or tenant' });
  if ((format.destKind === 'backup_data') !== of.isOfSets)
    throw fail('INVALID_ARGUMENT', { what: `VALIDATE: the path is a destination of kind ${format.destKind}` });
  const all = of.isOfSets ? await setsAt(destination) : await piecesAt(destination);
  const pathType: ValidatePathType = of.isOfSets
    ? only === null
      ? 'BACKUP_DEST'
      : 'BACKUP_SET_DEST'
    : only === null
      ? 'ARCHIVELOG_DEST'
      : 'ARCHIVELOG_PIECE_DEST';
  const targets = all
    .filter(({ directory }) => only === null || directory === only)
    .map((target) => ({ ...target, pathType, destId: format.destId }));
  return { targets, uri: only === null ? shown : formatObject(uri, only), source: uri, pathType };
}
