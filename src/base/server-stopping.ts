// The reason by which work ends that the next start goes on with.

/** Aborts a worker whose server stops: its job stays as it is, neither failed nor cancelled, and is taken up again. */
export class ServerStopping extends Error {
  override readonly name = 'ServerStopping';
}
