import { readFile, stat } from 'node:fs/promises'
import { userInfo } from 'node:os'

/** The user that owns a file, by name; without a file, or when it cannot be looked at, the one that runs this process. */
export async function ownerOf(path: string | undefined): Promise<string> {
  const found = path === undefined ? undefined : await stat(path).catch(() => undefined)
  return userName(found?.uid ?? process.getuid?.() ?? -1)
}

/** Without libraries that ask directories of users, what `/etc/passwd` says. */
export async function userName(uid: number): Promise<string> {
  const own = self()
  if (own !== undefined && (uid === own.uid || uid === -1)) return own.username
  const passwd = await readFile('/etc/passwd', 'utf8').catch(() => '')
  const line = passwd.split('\n').find((one) => one.split(':')[2] === String(uid))
  return line?.split(':', 1)[0] ?? `uid ${uid}`
}

/** Undefined where nobody gave this user a name, as in many containers. */
function self(): { readonly uid: number; readonly username: string } | undefined {
  try {
    return userInfo()
  } catch {
    return undefined
  }
}
