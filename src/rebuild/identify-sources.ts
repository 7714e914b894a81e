// Whose the destinations of CATALOG BACKUP are: all of one tenant, by their format files.
import { fail } from '../base/errors.ts';
import { SYS_TENANT_ID, USER_TENANT_ID_FIRST } from '../base/limits.ts';
import { readFormatFile } from '../destination/claim-destination.ts';
import type { Destination } from '../destination/destination.ts';
import type { DestKind, FormatFile } from '../format/format-file.ts';
import { type DestinationUri, formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';
import type { RowReceiver } from './rebuild-service.ts';

/** Uris of one statement: a tenant has had a few destinations. */
const URIS_MAX = 100;
/** Greater numbers than anybody's sets, rounds and pieces reach; they would use up the counters for ever. */
export const ID_MAX = 2 ** 31 - 1;

/** Whose a directory is, is for the cluster's administrator to know. */
export const OTHER_OWNER = 'another owner or purpose';

/** One destination, opened. */
export interface Source {
  destination: Destination;
  /** Normal form, without credentials. */
  uri: string;
  destKind: DestKind;
  destId: number;
}

/** Whose backups they are. */
export type SourceOwner = Pick<FormatFile, 'clusterUuid' | 'clusterName' | 'tenantId' | 'tenantName'>;

/** Opens every uri once. @throws INVALID_BACKUP_DEST (9026), INVALID_ARGUMENT (4002) */
export function openSources(uris: readonly string[], open: (uri: DestinationUri) => Destination): Destination[] {
  if (uris.length === 0 || uris.length > URIS_MAX)
    throw fail('INVALID_ARGUMENT', { what: `CATALOG BACKUP: ${uris.length} uris, it takes 1 to ${URIS_MAX}` });
  const parsed = uris.map((text) => parseDestinationUri(text.trim()));
  return [...new Map(parsed.map((uri) => [formatDestinationUri(uri), uri])).values()].map(open);
}

/**
 * Reads the format files.
 * @throws BACKUP_FORMAT_FILE_NOT_EXIST (9080), BACKUP_FORMAT_FILE_NOT_MATCH (9081)
 */
export async function identifySources(
  destinations: readonly Destination[],
  receiver: RowReceiver,
): Promise<{ sources: Source[]; owner: SourceOwner }> {
  let owner: SourceOwner | undefined;
  const sources: Source[] = [];
  for (const destination of destinations) {
    const uri = formatDestinationUri(destination.uri);
    const format = await readFormatFile(destination);
    if (!format) throw fail('BACKUP_FORMAT_FILE_NOT_EXIST', { uri });
    const { tenantId, destId, destKind } = format;
    const isUser = tenantId >= USER_TENANT_ID_FIRST && tenantId <= ID_MAX && tenantId !== SYS_TENANT_ID;
    if (!isUser || destId > ID_MAX)
      throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because: 'it names no user tenant or no destination' });
    owner ??= format;
    if (owner.clusterUuid !== format.clusterUuid || owner.tenantId !== tenantId) {
      const whose = `the tenant '${format.tenantName}' (id ${tenantId}) of the cluster '${format.clusterName}', another one than that of the uri before it`;
      const because = `it belongs to ${receiver.kind === 'own' ? OTHER_OWNER : whose}`;
      throw fail('BACKUP_FORMAT_FILE_NOT_MATCH', { uri, because });
    }
    sources.push({ destination, uri, destKind, destId });
  }
  if (!owner) throw fail('INVALID_ARGUMENT', { what: 'CATALOG BACKUP: no uri' });
  return { sources, owner };
}
