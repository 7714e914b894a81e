// What only an operator can mend: the archive is not what it is known to have been.

/** The archive holds less than it is known to have held, or what it holds is damaged: only an operator can go on. */
export class ArchiveDamaged extends Error {
  override readonly name = 'ArchiveDamaged';
}
