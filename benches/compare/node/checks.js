// What both HTTP peers check before they keep anything, as the gateway does.
const { createHmac, timingSafeEqual } = require('node:crypto');
const jwt = require('jsonwebtoken');

// WAHA's signature: the hex of an HMAC-SHA512 over the body as it came.
exports.isSigned = (body, header) => {
  const given = Buffer.from(header ?? '', 'hex');
  const wanted = createHmac('sha512', process.env.SECRET).update(body).digest();
  return given.length === wanted.length && timingSafeEqual(given, wanted);
};

// The bearer token's claims; throws where it is not valid.
exports.claims = (header) =>
  jwt.verify((header ?? '').replace('Bearer ', ''), process.env.SECRET, { algorithms: ['HS256'] });

exports.token = () => jwt.sign({ sub: 'acme', role: 'owner' }, process.env.SECRET, { expiresIn: '1h' });

// A job is kept under the webhook's id, so that a repeat is kept once.
exports.asWebhook = (body) => [body.event, body, { jobId: body.id }];

exports.redis = () => ({ url: process.env.REDIS_URL, maxRetriesPerRequest: null });

if (require.main === module) console.log(exports.token());
