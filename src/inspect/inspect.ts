// `holdfast inspect URI`: shows what lies at a destination, without a server and without changing anything there.
import type { Destination } from '../destination/destination.ts';
import { openDestination } from '../destination/open-destination.ts';
import { FORMAT_FILE_NAME, parseObjectName, type SetRef, setDirectory } from '../format/layout.ts';
import { type DestinationUri, maskUri } from '../model/destination-uri.ts';
import { findPiece, inspectPiece, inspectRounds } from './inspect-log.ts';
import { inspectFormatFile, inspectObject } from './inspect-object.ts';
import { ALL_PARTS, inspectSet } from './inspect-set.ts';
import { type InspectChoices, Inspection } from './inspection.ts';
import { line } from './item.ts';
import { type Located, locate } from './locate.ts';
import { jsonPrinter, textPrinter, type Write } from './print.ts';

export interface InspectOptions extends InspectChoices {
  isJson: boolean;
  write: Write;
  open?: (uri: DestinationUri) => Destination;
}

/**
 * Prints what a uri means: a destination, a directory `backup_set_…` or `piece_…`, or one object.
 * @returns how much was found damaged or missing
 * @throws INVALID_BACKUP_DEST (9026), BACKUP_FILE_NOT_EXIST (9011) when there is nothing, 9070, 9071
 */
export async function inspect(uri: string, options: InspectOptions): Promise<number> {
  const located = await locate(uri, options.open ?? openDestination);
  const printer = options.isJson ? jsonPrinter(options.write) : textPrinter(options.write);
  await using destination = located.destination;
  const { format } = located;
  const inspection = new Inspection({ destination, format, choices: options, output: printer });
  await printer.begin(maskUri(uri.trim()));
  await inspectMeant(inspection, located);
  await printer.end(inspection.damageCount);
  return inspection.damageCount;
}

async function inspectMeant(inspection: Inspection, { meant }: Located): Promise<void> {
  switch (meant.kind) {
    case 'destination':
      return inspectDestination(inspection);
    case 'set':
      return inspectSet(inspection, meant.ref, ALL_PARTS);
    case 'piece': {
      const piece = await findPiece(inspection, meant.ref);
      await inspectPiece(inspection, piece, { from: undefined, isWithBatches: true });
      return;
    }
    case 'object':
      return inspectObject(inspection, meant.name, meant.parsed);
  }
}

async function inspectDestination(inspection: Inspection): Promise<void> {
  await inspectFormatFile(inspection, FORMAT_FILE_NAME);
  // Where the format file is gone, both kinds of content are looked for.
  const kind = inspection.format?.destKind;
  if (kind !== 'archive_log') await inspectSets(inspection);
  if (kind !== 'backup_data') await inspectRounds(inspection);
}

/** Every set of which anything lies there; one without a manifest was never complete, which is no damage. */
async function inspectSets(inspection: Inspection): Promise<void> {
  const complete = new Map<string, SetRef>();
  const begun = new Map<string, SetRef>();
  const deleted = new Set<string>();
  for (const { name } of await inspection.destination.list('')) {
    const parsed = parseObjectName(name);
    if (!parsed || !('backupSetId' in parsed)) continue;
    const ref = { backupSetId: parsed.backupSetId, type: parsed.type };
    if (parsed.kind === 'set-deleted') deleted.add(setDirectory(ref));
    // A set is shown complete only after its manifest is there.
    const isComplete = parsed.kind === 'manifest' || parsed.kind === 'set-end' || parsed.kind === 'set-interval';
    (isComplete ? complete : begun).set(setDirectory(ref), ref);
  }
  const all = new Map([...begun, ...complete]);
  for (const [directory, ref] of [...all].sort(([, a], [, b]) => a.backupSetId - b.backupSetId)) {
    if (deleted.has(directory)) await inspection.print(line('deletedSet', directory, {}, 0));
    else if (complete.has(directory)) await inspectSet(inspection, ref, ALL_PARTS);
    else await inspection.print(line('unfinishedSet', directory, {}, 0));
  }
}
