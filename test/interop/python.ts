import type { TestContext } from 'node:test'
import { findProgram, needProgram, run } from '../support/program.ts'

/** What a test imports; pyca/cryptography has been able to verify clients and name constraints since it has this class. */
const IMPORTS = {
  pkilint: 'import pkilint',
  cryptography: 'from cryptography.x509.verification import ClientVerifier',
} as const
type PythonPackage = keyof typeof IMPORTS

/**
 * The path of a python3 that has this package, recent enough. As with `needProgram`, the test says `skipped` where
 * there is none, and fails where nothing may be skipped.
 */
export async function needPython(t: TestContext, packageName: PythonPackage): Promise<string | undefined> {
  const python = needProgram(t, 'python3')
  if (python === undefined || (await canImport(python, packageName))) return python
  const reason = `${python} has no ${packageName}, or one that is too old`
  if (process.env['CHANCERY_TEST_NO_SKIP'] === '1') throw new Error(`${reason}, and nothing may be skipped here`)
  t.skip(reason)
  return undefined
}

export async function hasPython(packageName: PythonPackage): Promise<boolean> {
  const python = findProgram('python3')
  return python !== undefined && (await canImport(python, packageName))
}

const canImport = async (python: string, packageName: PythonPackage): Promise<boolean> =>
  (await run(python, ['-c', IMPORTS[packageName]])).code === 0
