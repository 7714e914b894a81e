// Sets that were found at several data destinations: the same set in several places is one set. Pure.
import type { DamagedSet } from './plan-facts.ts';
import type { FoundSet, SetsOfSource } from './read-sources.ts';

/** A set is told by its manifest: copies of it are the same bytes. */
const identityOf = ({ name, manifestSha256 }: FoundSet) => `${name}/${manifestSha256}`;

function merge(lists: ReadonlyArray<readonly FoundSet[]>): FoundSet[] {
  const found = new Map<string, FoundSet>();
  for (const set of lists.flat()) {
    const known = found.get(identityOf(set));
    if (known) known.uris.push(...set.uris);
    else found.set(identityOf(set), { ...set, uris: [...set.uris] });
  }
  return [...found.values()].sort((a, b) => a.backupSetId - b.backupSetId);
}

/**
 * @param found by destination, in the order in which copies are to be read
 * @returns a set is damaged when no destination has it sound
 */
export function mergeSets(found: readonly SetsOfSource[]): SetsOfSource {
  const sourceSets = merge(found.map((at) => at.sourceSets));
  const isAsked = new Set(found.flatMap((at) => at.sets.map(identityOf)));
  const sound = new Set(sourceSets.map(({ name }) => name));
  const damaged = new Map<string, DamagedSet>();
  for (const set of found.flatMap((at) => at.damagedSets))
    if (!sound.has(set.name) && !damaged.has(set.name)) damaged.set(set.name, set);
  return {
    sets: sourceSets.filter((set) => isAsked.has(identityOf(set))),
    sourceSets,
    damagedSets: [...damaged.values()].sort((a, b) => a.backupSetId - b.backupSetId),
  };
}
