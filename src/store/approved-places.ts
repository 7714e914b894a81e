// Places that the cluster's administration names for tenants in statements that have not ended: in memory, as such a
// statement ends with its server. What it records keeps the approval beside the place.

export class ApprovedPlaces {
  readonly #counts = new Map<string, number>();

  /** Approves of places of a tenant while something is done. */
  async during<T>(tenantId: number, uris: readonly string[], work: () => Promise<T>): Promise<T> {
    const keys = uris.map((uri) => keyOf(tenantId, uri));
    for (const key of keys) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const key of keys) {
        const left = this.#counts.get(key)! - 1;
        if (left > 0) this.#counts.set(key, left);
        else this.#counts.delete(key);
      }
    }
  }

  has(tenantId: number, uri: string): boolean {
    return this.#counts.has(keyOf(tenantId, uri));
  }
}

function keyOf(tenantId: number, uri: string): string {
  return `${tenantId} ${uri}`;
}
