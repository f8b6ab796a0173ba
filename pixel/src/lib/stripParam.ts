/**
 * Takes a parameter out of a query string and leaves every other byte as it was.
 * (URLSearchParams would rewrite the rest, and break signed addresses.)
 */
export function stripParam(search: string, name: string): string {
  return search.replace(RegExp(`([?&])${name}=[^&]*(&|$)`), (_, before: string, after: string) => (after ? before : ''));
}
