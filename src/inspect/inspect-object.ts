// Prints one object by what its name says that it is.
import { hexOf, sameBytes } from '../base/bytes.ts';
import { fail } from '../base/errors.ts';
import { MIB } from '../base/limits.ts';
import { readManifest } from '../destination/backup-set-reader.ts';
import { readLeaseFile } from '../destination/lease-objects.ts';
import { decodeFormatFile, FORMAT_FILE_BYTES_MAX } from '../format/format-file.ts';
import { type ParsedName, type PieceRef, parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import { Xxh3 } from '../format/xxh3.ts';
import { findPiece, inspectPieceFacts, inspectRoundEnd, inspectRoundStart, inspectSegments } from './inspect-log.ts';
import { ALL_PARTS, inspectSet } from './inspect-set.ts';
import { type Inspection, scnText } from './inspection.ts';
import { block, line } from './item.ts';

/** Read at once while a pack is hashed. */
const HASH_READ_BYTES = 4 * MIB;
const UTC = '+00:00';

export async function inspectObject(inspection: Inspection, name: string, parsed: ParsedName): Promise<void> {
  switch (parsed.kind) {
    case 'format-file':
    case 'check-file':
      return inspectFormatFile(inspection, name);
    case 'lease':
      return inspectLease(inspection, name);
    case 'manifest':
      return inspectSet(inspection, parsed, { hasObjects: true, hasIndex: false, hasPageMap: false });
    case 'index':
      return inspectSet(inspection, parsed, { ...ALL_PARTS, hasObjects: false, hasPageMap: false });
    case 'page-map':
      return inspectSet(inspection, parsed, { ...ALL_PARTS, hasObjects: false, hasIndex: false });
    case 'pack':
      return inspectPack(inspection, name, parsed);
    case 'round-start':
      await inspectRoundStart(inspection, parsed);
      return;
    case 'round-end':
      return inspectRoundEnd(inspection, parsed);
    case 'piece-start':
      await inspectPieceFacts(inspection, {
        ...(await findPiece(inspection, parsed)),
        isFrozen: false,
        startName: name,
      });
      return;
    case 'piece-info':
      await inspectPieceFacts(inspection, { ...(await findPiece(inspection, parsed)), isFrozen: true });
      return;
    case 'segment':
    case 'compacted-segment':
      return inspectSegment(inspection, name, parsed);
    default:
      return inspectPlaceholder(inspection, name);
  }
}

export async function inspectFormatFile(inspection: Inspection, name: string): Promise<void> {
  const { destination } = inspection;
  const format = await inspection.look(async () => {
    const sizeBytes = await destination.size(name);
    if (sizeBytes === undefined) throw fail('BACKUP_FILE_NOT_EXIST', { file: name });
    if (sizeBytes > FORMAT_FILE_BYTES_MAX)
      throw fail('BACKUP_DATA_CORRUPT', { object: name, because: `it has ${sizeBytes} bytes` });
    return decodeFormatFile(await destination.get(name), name);
  });
  if (!format) return;
  const facts = {
    cluster: `${format.clusterName} (id ${format.clusterId}, ${format.clusterUuid})`,
    tenant: `${format.tenantName} (id ${format.tenantId})`,
    holds: format.destKind === 'backup_data' ? 'backup sets' : 'log archive',
    destId: format.destId,
    layoutVersion: format.formatVersion,
    created: scnText(format.createdNs, UTC),
  };
  await inspection.print(block('formatFile', name, facts));
}

async function inspectLease(inspection: Inspection, name: string): Promise<void> {
  const { destination } = inspection;
  const lease = await inspection.look(() => readLeaseFile(destination, name));
  if (!lease) return;
  const { generation, hostName: host, dataDir, serverVersion } = lease;
  const facts = { generation, host, dataDir, serverVersion, acquired: scnText(lease.acquiredNs, UTC) };
  await inspection.print(block('lease', name, facts));
}

/** A pack says nothing without its index: its size and hash are compared with what the manifest says. */
async function inspectPack(inspection: Inspection, name: string, ref: SetRef): Promise<void> {
  const { destination, format } = inspection;
  const sizeBytes = await destination.size(name);
  if (sizeBytes === undefined) return inspection.damage(name, 'it is missing');
  const hash = new Xxh3();
  const reader = await destination.openRead(name);
  try {
    for (let offset = 0; offset < sizeBytes; offset += HASH_READ_BYTES)
      hash.update(await reader.read(offset, Math.min(HASH_READ_BYTES, sizeBytes - offset)));
  } finally {
    await reader.close();
  }
  const checksum = hash.digest();
  await inspection.print(block('pack', name, { bytes: sizeBytes, xxh3: hexOf(checksum) }));
  const read = format && (await inspection.look(() => readManifest(destination, ref, format)));
  if (!read) return;
  const listed = read.manifest.objects.find((object) => `${setDirectory(ref)}/${object.name}` === name);
  if (!listed) await inspection.damage(name, 'the manifest of its set does not name it');
  else if (!sameBytes(listed.checksum, checksum))
    await inspection.damage(name, 'its checksum is not the one in the manifest');
}

/** One segment as it lies there, whether or not its piece's list names it. */
async function inspectSegment(inspection: Inspection, name: string, ref: PieceRef): Promise<void> {
  const sizeBytes = await inspection.destination.size(name);
  if (sizeBytes === undefined) return inspection.damage(name, 'it is missing');
  const parsed = parseObjectName(name);
  const segmentNo = parsed && 'segmentNo' in parsed ? parsed.segmentNo : 0;
  const piece = await findPiece(inspection, ref);
  const facts = await inspectPieceFacts(inspection, piece);
  // What comes before it is not asked for: it is judged by what its own header says.
  const alone = { ...piece, isFrozen: false, startName: undefined, segments: [{ segmentNo, name, sizeBytes }] };
  await inspectSegments(inspection, alone, { from: undefined, isWithBatches: true, facts });
}

async function inspectPlaceholder(inspection: Inspection, name: string): Promise<void> {
  const bytes = await inspection.destination.size(name);
  if (bytes === undefined) await inspection.damage(name, 'it is missing');
  else await inspection.print(line('placeholder', name, { bytes }, 0));
}
