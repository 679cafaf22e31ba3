const MAX_SHOWN = 80
const MAX_URL_SHOWN = 200

/** Outside text made safe to repeat in a message or a log: quoted, printable ASCII, at most 80 characters of it. */
export function quote(text: string): string {
  return quoted(text, MAX_SHOWN)
}

/** The same for a URL, whose end matters most: at most 200 characters, which is more than those that we give out have. */
export function quoteUrl(url: string): string {
  return quoted(url, MAX_URL_SHOWN)
}

function quoted(text: string, maxShown: number): string {
  const ascii = JSON.stringify(text.slice(0, maxShown)).replace(/[^\x20-\x7e]/g, '?')
  return text.length > maxShown ? `${ascii.slice(0, -1)}..."` : ascii
}
