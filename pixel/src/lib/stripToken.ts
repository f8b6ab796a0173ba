/**
 * Takes the click token out of a query string and leaves every other byte as it
 * was. (URLSearchParams would rewrite the rest, and break signed addresses.)
 */
export function stripToken(search: string): string {
  return search.replace(/([?&])mt=[^&]*(&|$)/, (_, before: string, after: string) => (after ? before : ''));
}
