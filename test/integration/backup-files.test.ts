import assert from 'node:assert/strict'
import { appendFile, cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createBackup, newestBackup, pruneBackups } from '../../src/app/backup.ts'
import { homeAt } from '../../src/app/home.ts'
import { verifyBackup } from '../../src/app/verify-backup.ts'
import { readConfig } from '../../src/config/read.ts'
import { runChancery, startTestChancery } from '../support/chancery.ts'
import { FakeClock } from '../support/fake-clock.ts'

const KILL_AT_RENAME = fileURLToPath(new URL('../support/kill-at-rename.ts', import.meta.url))

/** Of the steps of a backup or restore, one in so many is killed; 1 by `npm run test:restore`. */
const KILL_STEP = Number(process.env['CHANCERY_TEST_KILL_STEP'] ?? 3)

let root: string
let home: string
let backup: string

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'chancery-backup-files-'))
  home = join(root, 'home')
  await (await startTestChancery({ home })).stop()
  backup = join(root, 'backup')
  const made = await runChancery(['backup', '--to', backup], { home })
  assert.equal(made.code, 0, made.stderr)
  assert.equal(made.stdout.trim(), backup)
  assert.match(made.stderr, /WARNING: no passphrase protects keys\/default.key.pem/)
})

after(() => rm(root, { recursive: true, force: true }))

let copies = 0
async function copyOf(folder: string): Promise<string> {
  const copy = join(root, `copy-${copies++}`)
  await cp(folder, copy, { recursive: true })
  return copy
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

test('a whole backup is said to be whole', async () => {
  const { code, stdout } = await runChancery(['backup', 'verify', backup], { home })
  assert.equal(code, 0)
  assert.match(stdout, /whole and unchanged\nMade .* by Chancery \d/)
})

test('KF-E08 KF-E12 a damaged, changed or incomplete backup is refused, and nothing is restored from it', async () => {
  const damages: Record<string, { damage: (path: string) => Promise<void>; says: RegExp }> = {
    'a bit of the database': {
      damage: async (path) => {
        const bytes = await readFile(join(path, 'chancery.db'))
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
        await writeFile(join(path, 'chancery.db'), bytes)
      },
      says: /chancery.db: is not as it was written/,
    },
    'a key': {
      damage: (path) => appendFile(join(path, 'keys/default.key.pem'), '\n'),
      says: /default.key.pem: is not as it was written/,
    },
    'a missing file': { damage: (path) => rm(join(path, 'root.pem')), says: /root.pem: cannot be read/ },
    'no manifest': { damage: (path) => rm(join(path, 'manifest.json')), says: /is not a complete backup/ },
    'a cut manifest': {
      damage: async (path) => {
        const text = await readFile(join(path, 'manifest.json'), 'utf8')
        await writeFile(join(path, 'manifest.json'), text.slice(0, 200))
      },
      says: /not a manifest/,
    },
    'a path that leads out': {
      damage: async (path) => {
        const text = await readFile(join(path, 'manifest.json'), 'utf8')
        await writeFile(join(path, 'manifest.json'), text.replace('"root.pem"', '"../../etc/passwd"'))
      },
      says: /names a file that no backup holds/,
    },
    'another kind of format': {
      damage: async (path) => {
        const text = await readFile(join(path, 'manifest.json'), 'utf8')
        await writeFile(join(path, 'manifest.json'), text.replace('chancery-backup-1', 'chancery-backup-2'))
      },
      says: /newer Chancery/,
    },
  }
  for (const [what, { damage, says }] of Object.entries(damages)) {
    const copy = await copyOf(backup)
    await damage(copy)
    await assert.rejects(verifyBackup(copy), says, what)
    const empty = join(root, `empty-${copies}`)
    const { code, stderr } = await runChancery(['restore', '--from', copy], { home: empty })
    assert.equal(code, 1, what)
    assert.match(stderr, says, what)
    assert.equal(await exists(join(empty, 'chancery.db')), false, what)
  }
})

/** Makes the manifest say what the database is now, as somebody would who changes both. */
async function rewrite(path: string, change: (database: DatabaseSync) => void): Promise<void> {
  const database = new DatabaseSync(join(path, 'chancery.db'))
  change(database)
  database.close()
  const { createHash } = await import('node:crypto')
  const bytes = await readFile(join(path, 'chancery.db'))
  const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8'))
  manifest.database.bytes = bytes.length
  manifest.database.sha256 = createHash('sha256').update(bytes).digest('hex')
  await writeFile(join(path, 'manifest.json'), JSON.stringify(manifest))
}

test('KF-E12 KF-E16 a database with a changed certificate, of a newer schema or of another CA is refused although its hash is right', async () => {
  const changed = await copyOf(backup)
  await rewrite(changed, (database) => database.exec(`UPDATE certificates SET certificate_der = zeroblob(500)`))
  await assert.rejects(verifyBackup(changed), /certificates.certificate_der of .* was changed after it was stored/)

  const newer = await copyOf(backup)
  await rewrite(newer, (database) =>
    database.exec(`INSERT INTO schema_migrations (number, name, hash, applied_at) VALUES (999, 'later', 'x', 0)`),
  )
  await assert.rejects(verifyBackup(newer), /newer Chancery/)

  const foreign = await copyOf(backup)
  await rewrite(foreign, (database) => {
    database.exec(`UPDATE certificates SET issuer_id = '${'ab'.repeat(20)}'`)
    database.exec(`UPDATE crl_state SET issuer_id = '${'ab'.repeat(20)}'`)
  })
  await assert.rejects(verifyBackup(foreign), /of another CA/)
})

test('a backup is not restored over another CA, nor over anything without being told', async () => {
  const other = join(root, 'other')
  await (await startTestChancery({ home: other })).stop()
  for (const args of [[], ['--replace']]) {
    const { code, stderr } = await runChancery(['restore', '--from', backup, ...args], { home: other })
    assert.equal(code, 1)
    assert.match(stderr, /belongs to another CA/)
  }
  const copy = await copyOf(home)
  const { code, stderr } = await runChancery(['restore', '--from', backup], { home: copy })
  assert.equal(code, 1)
  assert.match(stderr, /is not empty.*--replace/)
  assert.deepEqual(
    (await readdir(copy)).filter((name) => name.startsWith('restor')),
    [],
  )
})

test('a backup never takes the place of anything', async () => {
  const file = join(root, 'a-file')
  await writeFile(file, 'mine')
  const { code, stderr } = await runChancery(['backup', '--to', file], { home })
  assert.equal(code, 1)
  assert.match(stderr, /never replaces/)
  assert.equal(await readFile(file, 'utf8'), 'mine')
})

test('without keys a backup holds no private key, and says that they are needed', async () => {
  const path = join(root, 'without-keys')
  const { stderr } = await runChancery(['backup', '--to', path, '--without-keys'], { home })
  assert.match(stderr, /the online keys, in keys\/: this backup was made without them/)
  assert.equal(await exists(join(path, 'keys')), false)
  assert.doesNotMatch(stderr, /WARNING/)
})

test('a configuration from elsewhere and lists of bad keys are in the backup, and in the restored state folder', async () => {
  const config = join(root, 'elsewhere.yaml')
  const copy = await copyOf(home)
  await mkdir(join(copy, 'lists'))
  await writeFile(join(copy, 'lists', 'bad-keys.txt'), `${'ab'.repeat(32)}\n`)
  await writeFile(config, 'policies: { default: { keys: { blocklistFiles: [lists/bad-keys.txt] } } }\n')
  const path = join(root, 'with-config')
  const made = await runChancery(['backup', '--to', path, '--config', config], { home: copy })
  assert.equal(made.code, 0, made.stderr)
  const target = join(root, 'with-config-home')
  const { code, stderr } = await runChancery(['restore', '--from', path], { home: target })
  assert.equal(code, 0, stderr)
  assert.match(await readFile(join(target, 'configuration.yaml'), 'utf8'), /bad-keys/)
  assert.match(await readFile(join(target, 'lists', 'bad-keys.txt'), 'utf8'), /^abab/)
})

test('a backup that was killed before its last step leaves no backup; after it a whole one', async () => {
  let kills = 0
  for (let rename = 1; ; rename += KILL_STEP) {
    const path = join(root, `killed-${rename}`)
    const { code, stderr } = await runChancery(['backup', '--to', path], {
      home,
      env: { NODE_OPTIONS: `--import=${KILL_AT_RENAME}`, CHANCERY_TEST_KILL_RENAME: String(rename) },
    })
    if (await exists(path)) {
      assert.equal(code, 0, stderr)
      await verifyBackup(path)
      break
    }
    assert.equal(code, null)
    kills++
  }
  assert.ok(kills >= 2)
})

test('KF-E08 a restore that was killed at any of its steps leaves what was there, or ends whole with --finish', async (t) => {
  const outcomes = { untouched: 0, finished: 0 }
  for (let rename = 1; ; rename += KILL_STEP) {
    const copy = await copyOf(home)
    const old = await readFile(join(copy, 'chancery.db'))
    const { code, stderr } = await runChancery(['restore', '--from', backup, '--replace'], {
      home: copy,
      env: { NODE_OPTIONS: `--import=${KILL_AT_RENAME}`, CHANCERY_TEST_KILL_RENAME: String(rename) },
    })
    if (code === 0) break
    assert.equal(code, null, stderr)
    if (await exists(join(copy, 'restore.ready'))) {
      await assert.rejects(startTestChancery({ home: copy }), /restore was cut short.*--finish/)
      const finished = await runChancery(['restore', '--finish'], { home: copy })
      assert.equal(finished.code, 0, finished.stderr)
      const database = new DatabaseSync(join(copy, 'chancery.db'), { readOnly: true })
      assert.equal(database.prepare('SELECT MAX(epoch) AS epoch FROM store_lineages').get()?.['epoch'], 1)
      database.close()
      const [aside = ''] = (await readdir(copy)).filter((name) => name.startsWith('replaced-'))
      assert.deepEqual(await readFile(join(copy, aside, 'chancery.db')), old)
      assert.deepEqual(await readFile(join(copy, 'root.pem')), await readFile(join(home, 'root.pem')))
      outcomes.finished++
    } else {
      assert.deepEqual(await readFile(join(copy, 'chancery.db')), old)
      outcomes.untouched++
    }
    if (rename % 4 === 1) await (await startTestChancery({ home: copy })).stop()
    await rm(copy, { recursive: true })
  }
  t.diagnostic(JSON.stringify(outcomes))
  assert.ok(outcomes.untouched >= 1 && outcomes.finished >= 3)
})

test('the server makes backups by itself when it is told to, and keeps so many', async () => {
  const directory = join(root, 'scheduled')
  const clock = new FakeClock(new Date().toISOString())
  const server = await startTestChancery({
    home: await copyOf(home),
    clock,
    set: ['backup.every=1h', `backup.directory=${directory}`, 'backup.keep=2'],
  })
  try {
    // The clock goes on in steps while the copies are made in real time.
    for (let step = 0; server.log.of('backup.pruned').length === 0; step++) {
      assert.ok(step < 1000 && server.log.of('background.failed').length === 0)
      await clock.advance(600_000)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    for (const { path } of server.log.of('backup.made').slice(-1)) await verifyBackup(String(path))
  } finally {
    await server.stop()
  }
})

test('only complete backups of our own naming are pruned, the oldest first', async () => {
  const directory = join(root, 'pruned')
  await mkdir(directory)
  const config = await readConfig({ home })
  const clock = new FakeClock('2026-03-01T12:00:00Z')
  for (let n = 0; n < 3; n++) {
    await createBackup({ home: homeAt(home), config, to: directory, withKeys: true, version: '1', clock })
    await clock.advance(1000)
  }
  await mkdir(join(directory, 'chancery-20200101T000000Z'))
  await mkdir(join(directory, 'mine'))
  assert.equal(await pruneBackups(directory, 1, clock.now()), 2)
  assert.deepEqual((await readdir(directory)).sort(), [
    'chancery-20200101T000000Z',
    'chancery-20260301T120002Z',
    'mine',
  ])
  assert.deepEqual(await newestBackup(directory), new Date('2026-03-01T12:00:02Z'))
})
