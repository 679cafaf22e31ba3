import { Server } from 'node:net'

/**
 * Loaded before the server by `--import`: at SIGUSR2 the listener that `CHANCERY_TEST_BREAK` names fails, as the system
 * may make it; `throw` stands for an error that nobody handles.
 */
const ORDER = ['acme', 'public', 'admin']
const what = process.env['CHANCERY_TEST_BREAK'] ?? ''
/** In the order in which they are opened. */
const servers: Server[] = []
const listen = Server.prototype.listen
Server.prototype.listen = function (this: Server, ...parameters: unknown[]) {
  servers.push(this)
  return Reflect.apply(listen, this, parameters)
} as unknown as typeof listen

process.on('SIGUSR2', () => {
  if (what === 'throw') throw new Error('nobody handles this')
  servers[ORDER.indexOf(what)]?.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }))
})
