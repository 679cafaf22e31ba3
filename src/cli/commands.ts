import type { CommandEntry } from './command.ts'

/** Every command, in the order of the help text. Each is loaded when it is asked for, so that small ones start fast. */
export const COMMANDS: readonly CommandEntry[] = [
  {
    name: 'serve',
    summary: 'start the server; the first start makes what is missing',
    load: async () => (await import('./serve.ts')).command,
  },
  {
    name: 'init',
    summary: 'make the root and the issuing CA on purpose, for production',
    load: async () => (await import('./init.ts')).command,
  },
  {
    name: 'check',
    summary: 'look over configuration, keys, certificates and store, and say what is wrong',
    load: async () => (await import('./check.ts')).command,
  },
  {
    name: 'root',
    summary: 'print the root certificate with its fingerprint',
    load: async () => (await import('./root.ts')).command,
  },
  {
    name: 'eab create',
    summary: 'make an external account key, with which clients register accounts',
    load: async () => (await import('./eab-create.ts')).command,
  },
  {
    name: 'eab list',
    summary: 'list external account keys and what became of them',
    load: async () => (await import('./eab-list.ts')).command,
  },
  {
    name: 'eab show',
    summary: 'show all that is known of an external account key',
    load: async () => (await import('./eab-show.ts')).command,
  },
  {
    name: 'eab update',
    summary: 'change what is noted of a key, or put its end off',
    load: async () => (await import('./eab-update.ts')).command,
  },
  {
    name: 'eab rotate',
    summary: 'make a successor of a key, with a time in which both can be used',
    load: async () => (await import('./eab-rotate.ts')).command,
  },
  {
    name: 'eab expire',
    summary: 'end a key and stop its accounts, until that is put off',
    load: async () => (await import('./eab-expire.ts')).command,
  },
  {
    name: 'eab revoke',
    summary: 'take a key back for good, and stop its accounts',
    load: async () => (await import('./eab-revoke.ts')).command,
  },
  {
    name: 'eab import',
    summary: 'make many keys from a CSV or JSON file',
    load: async () => (await import('./eab-import.ts')).command,
  },
  {
    name: 'eab export',
    summary: 'write keys to a CSV or JSON file',
    load: async () => (await import('./eab-export.ts')).command,
  },
  {
    name: 'preauthorize add',
    summary: 'grant a name to an account or an external account key, without a challenge',
    load: async () => (await import('./preauthorize-add.ts')).command,
  },
  {
    name: 'preauthorize list',
    summary: 'list names that need no challenge, and until when',
    load: async () => (await import('./preauthorize-list.ts')).command,
  },
  {
    name: 'preauthorize revoke',
    summary: 'take a granted name back, with all that came of it',
    load: async () => (await import('./preauthorize-revoke.ts')).command,
  },
  {
    name: 'explain',
    summary: 'tell the whole story of a refusal, an order or a certificate',
    load: async () => (await import('./explain.ts')).command,
  },
  {
    name: 'policy test',
    summary: 'decide the examples beside the rules of a policy file',
    load: async () => (await import('./policy-test.ts')).command,
  },
  {
    name: 'policy try',
    summary: 'decide a made-up request, and issue nothing',
    load: async () => (await import('./policy-try.ts')).command,
  },
  {
    name: 'policy replay',
    summary: 'say which past requests another policy would have decided differently',
    load: async () => (await import('./policy-replay.ts')).command,
  },
  {
    name: 'policy effective',
    summary: 'list what an account may hold, and by which rules',
    load: async () => (await import('./policy-effective.ts')).command,
  },
  {
    name: 'policy versions',
    summary: 'list the policies that were in force, or print one',
    load: async () => (await import('./policy-versions.ts')).command,
  },
  {
    name: 'policy schema',
    summary: 'print the JSON Schema of the policy file, for editors and checks',
    load: async () => (await import('./policy-schema.ts')).command,
  },
  {
    name: 'limits list',
    summary: 'list paused names, and who has used up how much of a rate limit',
    load: async () => (await import('./limits-list.ts')).command,
  },
  {
    name: 'limits clear',
    summary: 'end a pause, or give a requester the whole of a rate limit again',
    load: async () => (await import('./limits-clear.ts')).command,
  },
  {
    name: 'clock accept',
    summary: 'say that the clock is right now, after it was ahead by mistake',
    load: async () => (await import('./clock-accept.ts')).command,
  },
  {
    name: 'backup',
    summary: 'make a backup of database, configuration and online keys, while the server runs',
    load: async () => (await import('./backup.ts')).command,
  },
  {
    name: 'backup verify',
    summary: 'check that a backup is whole and unchanged',
    load: async () => (await import('./backup-verify.ts')).command,
  },
  {
    name: 'restore',
    summary: 'put a backup back so that nothing is used twice, and say what was lost',
    load: async () => (await import('./restore.ts')).command,
  },
  {
    name: 'store move',
    summary: 'move the database to another engine or place, while no server runs',
    load: async () => (await import('./store-move.ts')).command,
  },
  {
    name: 'certificates import',
    summary: 'make certificates known that the database lacks, so that they can be found and revoked',
    load: async () => (await import('./certificates-import.ts')).command,
  },
  {
    name: 'config show',
    summary: 'print the configuration in effect: the file, --set, and every default',
    load: async () => (await import('./config-show.ts')).command,
  },
  {
    name: 'config schema',
    summary: 'print the JSON Schema of chancery.yaml, for editors and checks',
    load: async () => (await import('./config-schema.ts')).command,
  },
  {
    name: 'version',
    summary: 'print the version of Chancery and of the Node.js that runs it',
    load: async () => (await import('./version.ts')).command,
  },
]
