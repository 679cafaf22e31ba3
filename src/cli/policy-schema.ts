import { policyJsonSchema } from '../policy/language/json-schema.ts'
import type { Command } from './command.ts'

export const command: Command = {
  run: async (context) => {
    context.out(JSON.stringify(policyJsonSchema(), null, 2))
    return 0
  },
}
