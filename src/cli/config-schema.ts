import { jsonSchema } from '../config/json-schema.ts'
import type { Command } from './command.ts'

export const command: Command = {
  run: async (context) => {
    context.out(JSON.stringify(jsonSchema(), null, 2))
    return 0
  },
}
