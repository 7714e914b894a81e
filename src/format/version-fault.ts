// What is said of an object in another version of its format.

/** A version above the known one is a later release's; below it, an earlier one's. */
export function versionFault(found: number, known: number): string {
  const release = found < known ? 'an earlier' : 'a later';
  return `its format version is ${found}, this server reads ${known}: ${release} release wrote it, which can read it`;
}
