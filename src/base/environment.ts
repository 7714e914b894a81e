// The only place that reads environment variables.

/** Value of an environment variable; undefined when it is not set or empty. */
export function environment(name: string): string | undefined {
  return process.env[name] || undefined;
}
