// NestJS on Express + BullMQ: verified, added to a queue, answered. Decorators are called as the
// functions that they are, so nothing needs to be compiled.
require('reflect-metadata');
const { randomUUID } = require('node:crypto');
const common = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { BullModule, getQueueToken } = require('@nestjs/bullmq');
const { IsIn, IsOptional, IsString, Length, Matches } = require('class-validator');
const { asWebhook, claims, isSigned, redis } = require('./checks');

class Send {}
for (const check of [IsString(), Length(1, 64)]) check(Send.prototype, 'sessionId');
Matches(/^\+[1-9][0-9]{6,14}$/)(Send.prototype, 'to');
for (const check of [IsString(), Length(1, 4096)]) check(Send.prototype, 'body');
for (const check of [IsOptional(), IsIn(['reject', 'queue'])]) check(Send.prototype, 'onRateLimit');

class Bearer {
  canActivate(context) {
    const request = context.switchToHttp().getRequest();
    try {
      request.claims = claims(request.headers.authorization);
      return true;
    } catch {
      throw new common.UnauthorizedException();
    }
  }
}

class Api {
  constructor(queue) {
    this.queue = queue;
  }
  async webhook(request) {
    if (!isSigned(request.rawBody, request.headers['x-webhook-hmac'])) throw new common.UnauthorizedException();
    await this.queue.add(...asWebhook(request.body));
    return { status: 'accepted' };
  }
  async send(request, body) {
    const message = { id: randomUUID(), tenant: request.claims.sub, ...body };
    await this.queue.add('send', message);
    return { id: message.id, status: 'queued' };
  }
}
const route = (name, ...decorators) =>
  decorators.forEach((it) => it(Api.prototype, name, Object.getOwnPropertyDescriptor(Api.prototype, name)));
route('webhook', common.Post('webhooks/waha'), common.HttpCode(200));
route('send', common.Post('messages/send'), common.HttpCode(202), common.UseGuards(new Bearer()));
common.Req()(Api.prototype, 'webhook', 0);
common.Req()(Api.prototype, 'send', 0);
const valid = new common.ValidationPipe({ expectedType: Send, whitelist: true, forbidNonWhitelisted: true });
common.Body(valid)(Api.prototype, 'send', 1);
common.Inject(getQueueToken('kept'))(Api, undefined, 0);
common.Controller()(Api);

class App {}
common.Module({
  imports: [BullModule.forRoot({ connection: redis() }), BullModule.registerQueue({ name: 'kept' })],
  controllers: [Api],
})(App);

NestFactory.create(App, { rawBody: true, logger: false }).then((app) => app.listen(Number(process.env.PORT), '127.0.0.1'));
