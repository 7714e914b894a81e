// Who writes a destination, as a server sees it.

/**
 * - HELD: this server writes.
 * - TAKING: it is taking over and still learns what was written before; nothing is written meanwhile.
 * - REFUSED: another server wrote there before this one came.
 * - LOST: another server has taken it from this one.
 */
export type LeaseStatus = 'HELD' | 'TAKING' | 'REFUSED' | 'LOST';
