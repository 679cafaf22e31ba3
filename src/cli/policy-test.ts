import { profileTable } from '../app/directories.ts'
import { renewalConflicts } from '../app/renewal-conflicts.ts'
import { textOf } from '../explain/policy-in-use.ts'
import { printable } from '../lib/printable.ts'
import { PolicyFileError } from '../policy/language/policy-file-error.ts'
import { faultOf } from '../policy/language/policy-tests.ts'
import { compilePolicy, parsePolicyFile, versionOf } from '../policy/language/read-policy.ts'
import { unknownReferences } from '../policy/language/unknown-references.ts'
import { type Command, UsageError } from './command.ts'

export const command: Command = {
  details:
    'Reads a file of rules as the server would, and decides each example beside the rules. Without a file: the one in\n' +
    'the configuration. Nothing is put into force, and no server or database is needed. Exit code 1 when the file would\n' +
    'be refused.',
  words: ['[file]'],
  run: async (context) => {
    const config = await context.config()
    const [word] = context.words
    const path = word === undefined ? config.policy.file : context.path(word)
    if (path === undefined) throw new UsageError('policy.file is not set; name a file: chancery policy test rules.yaml')
    try {
      const text = await textOf(path)
      const file = parsePolicyFile(text)
      const examples = { profiles: profileTable(config), now: context.clock.now() }
      const version = versionOf(text)
      const { policy } = await compilePolicy(file, version, examples)
      const unknown = unknownReferences(file, { ...examples, directories: new Set(Object.keys(config.directories)) })
      for (const fault of unknown) context.err(printable(`chancery: ${fault}`))
      for (const conflict of renewalConflicts(config, file.rules)) context.err(printable(`note: ${conflict}`))
      let failed = 0
      for (const test of file.tests) {
        const fault = await faultOf(test, policy, examples)
        if (fault !== undefined) failed++
        context.out(printable(fault === undefined ? `ok    ${test.name}` : `FAIL  ${test.name}: ${fault}`))
      }
      const rules = `${file.rules.length} rules, ${file.tests.length} tests`
      context.out(`${failed === 0 ? rules : `${rules}, ${failed} FAILED`}; version ${version}`)
      if (file.tests.length === 0) context.err('The file has no tests; what it allows is shown by nothing.')
      return failed + unknown.length === 0 ? 0 : 1
    } catch (error) {
      if (!(error instanceof PolicyFileError)) throw error
      for (const fault of error.faults) context.err(printable(`chancery: ${fault}`))
      return 1
    }
  },
}
