// NestJS on Express with ioredis: a guard checks the session, the controller parses the cached list, Nest writes it again.
require('reflect-metadata')
const { createHash } = require('node:crypto')
const Redis = require('ioredis')
const { Controller, Get, Module, Req, UnauthorizedException, ServiceUnavailableException, UseGuards } = require('@nestjs/common')
const { NestFactory } = require('@nestjs/core')

const redis = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true })

class SessionGuard {
  async canActivate (context) {
    const request = context.switchToHttp().getRequest()
    const token = (request.headers.authorization || '').replace('Bearer ', '')
    const digest = createHash('sha256').update(token).digest('hex')
    const session = await redis.get(`peer:session:${digest}`)
    if (!session) throw new UnauthorizedException()
    request.accountId = JSON.parse(session).account_id
    return true
  }
}

class InvoicesController {
  async list (request) {
    const cached = await redis.get(`peer:invoices:${request.accountId}`)
    if (!cached) throw new ServiceUnavailableException()
    return JSON.parse(cached)
  }
}
const method = Object.getOwnPropertyDescriptor(InvoicesController.prototype, 'list')
Get('invoices')(InvoicesController.prototype, 'list', method)
UseGuards(SessionGuard)(InvoicesController.prototype, 'list', method)
Req()(InvoicesController.prototype, 'list', 0)
Controller('api')(InvoicesController)

class AppModule {}
Module({ controllers: [InvoicesController] })(AppModule)

NestFactory.create(AppModule, { logger: false }).then(app => app.listen(Number(process.env.PORT), '127.0.0.1'))
