// Fastify with ioredis: session from Redis, the list's bytes passed through as they are. REDIS_URL and PORT.
const { createHash } = require('node:crypto')
const Redis = require('ioredis')

const redis = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true })
const app = require('fastify')()

app.get('/api/invoices', async (request, reply) => {
  const token = (request.headers.authorization || '').replace('Bearer ', '')
  const digest = createHash('sha256').update(token).digest('hex')
  const session = await redis.get(`peer:session:${digest}`)
  if (!session) return reply.code(401).send()
  const cached = await redis.getBuffer(`peer:invoices:${JSON.parse(session).account_id}`)
  if (!cached) return reply.code(503).send()
  return reply.header('content-type', 'application/json').send(cached)
})

app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
