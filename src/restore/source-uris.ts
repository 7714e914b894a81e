// The uris of a RESTORE: destinations, or single set and piece directories below them, in any order.
import { fail } from '../base/errors.ts';
import { type PieceRef, parsePieceDirectory, parseSetDirectory, type SetRef } from '../format/layout.ts';
import { type DestinationUri, formatDestinationUri, parseDestinationUri } from '../model/destination-uri.ts';

/** Uris of one statement: bounds the work before anything is known about them. */
const URIS_MAX = 1000;

/** One destination with what of it may be used. */
export interface SourceUri {
  uri: DestinationUri;
  /** Normal form, without credentials. */
  shown: string;
  /** Only these sets; null for all. */
  sets: SetRef[] | null;
  /** Only these pieces; null for all. */
  pieces: PieceRef[] | null;
}

/**
 * Groups uris by destination. A uri that ends in `backup_set_<n>_{full|inc}` or `piece_d<d>r<r>p<p>` means that
 * directory alone, and the destination is its parent.
 * @throws INVALID_BACKUP_DEST (9026) for a malformed uri, NOT_SUPPORTED (4007) for a scheme that is not built
 */
export function groupSourceUris(uris: readonly string[]): SourceUri[] {
  if (uris.length === 0 || uris.length > URIS_MAX)
    throw fail('INVALID_ARGUMENT', { what: `RESTORE: ${uris.length} uris, it takes 1 to ${URIS_MAX}` });
  const sources = new Map<string, SourceUri & { isWhole: boolean }>();
  for (const text of uris) {
    const given = parseDestinationUri(text.trim());
    const slash = given.path.lastIndexOf('/');
    const last = given.path.slice(slash + 1);
    const set = slash > 0 ? parseSetDirectory(last) : undefined;
    const piece = slash > 0 ? parsePieceDirectory(last) : undefined;
    const uri = set || piece ? { ...given, path: given.path.slice(0, slash) } : given;
    const shown = formatDestinationUri(uri);
    const source = sources.get(shown) ?? { uri, shown, sets: [], pieces: [], isWhole: false };
    sources.set(shown, source);
    if (set) source.sets?.push(set);
    else if (piece) source.pieces?.push(piece);
    else source.isWhole = true;
  }
  return [...sources.values()].map(({ isWhole, ...source }) =>
    isWhole ? { ...source, sets: null, pieces: null } : source,
  );
}
