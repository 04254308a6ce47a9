// Fastify + BullMQ: verified, added to a queue, answered.
const { randomUUID } = require('node:crypto');
const fastify = require('fastify')();
const { Queue } = require('bullmq');
const { asWebhook, claims, isSigned, redis } = require('./checks');

const queue = new Queue('kept', { connection: redis() });

fastify.addHook('onRequest', (request, reply, done) => {
  if (request.url !== '/messages/send') return done();
  try {
    request.claims = claims(request.headers.authorization);
    done();
  } catch {
    reply.code(401).send({ code: 'UNAUTHORIZED' });
  }
});

const send = {
  type: 'object',
  required: ['sessionId', 'to', 'body'],
  additionalProperties: false,
  properties: {
    sessionId: { type: 'string', minLength: 1, maxLength: 64 },
    to: { type: 'string', pattern: '^\\+[1-9][0-9]{6,14}$' },
    body: { type: 'string', minLength: 1, maxLength: 4096 },
    onRateLimit: { enum: ['reject', 'queue'] },
  },
};
fastify.post('/messages/send', { schema: { body: send } }, async (request, reply) => {
  const message = { id: randomUUID(), tenant: request.claims.sub, ...request.body };
  await queue.add('send', message);
  return reply.code(202).send({ id: message.id, status: 'queued' });
});

fastify.register(async (raw) => {
  raw.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_, body, done) => done(null, body));
  raw.post('/webhooks/waha', async (request, reply) => {
    if (!isSigned(request.body, request.headers['x-webhook-hmac'])) {
      return reply.code(401).send({ code: 'SIGNATURE' });
    }
    await queue.add(...asWebhook(JSON.parse(request.body)));
    return { status: 'accepted' };
  });
});

fastify.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
