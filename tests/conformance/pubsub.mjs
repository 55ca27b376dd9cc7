// salesforce-pubsub-api-client, unchanged, over TLS: log in by JWT, subscribe, write over REST, read events, resume, publish.
// Prints what it saw as one JSON line.
import { readFileSync } from 'node:fs';
import jsforce from 'jsforce';
import PubSubApiClient from 'salesforce-pubsub-api-client';

const { loginUrl, clientId, clientSecret, username, keyFile, pubSubEndpoint } = JSON.parse(process.argv[2]);
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const channel = '/data/Portal__chn';
const eligibility = '/event/Account_Eligibility_Update__e';

const client = new PubSubApiClient(
    {
        authType: 'oauth-jwt-bearer',
        loginUrl,
        clientId,
        username,
        privateKey: readFileSync(keyFile, 'utf8'),
        pubSubEndpoint,
        rejectUnauthorizedSsl: false,
    },
    quiet,
);
await client.connect();

const connection = new jsforce.Connection({ loginUrl, version: '66.0', oauth2: { loginUrl, clientId, clientSecret } });
await connection.authorize({ grant_type: 'client_credentials' });

// An inbox that can be awaited for the next event.
function inbox() {
    const events = [];
    let wake = () => {};
    const callback = (subscription, type, data) => {
        if (type === 'event') events.push(data);
        if (type === 'error') console.error(data);
        if (type === 'grpcKeepalive') callback.ready = true;
        wake();
    };
    const until = async (condition) => {
        while (!condition(events, callback)) await new Promise((resolve) => (wake = resolve));
        return events;
    };
    return { callback, until };
}

const live = inbox();
await client.subscribe(channel, live.callback, 20);
await live.until((_, callback) => callback.ready);

const account = connection.sobject('Account');
const made = await account.create({ Name: 'Conformance', Phone: '1', BillingCity: 'Osaka' });
await account.update({ Id: made.id, Phone: null, BillingCity: 'Kobe', Type: 'Customer' });
const [created, updated] = await live.until((events) => events.length >= 2);

const resumed = inbox();
await client.subscribeFromReplayId('/data/AccountChangeEvent', resumed.callback, 20, 1).catch(() => {});
const refused = inbox();
client.subscribeFromReplayId(channel, refused.callback, 20, created.replayId);
const [again] = await refused.until((events) => events.length >= 1);

const announced = inbox();
await client.subscribe(eligibility, announced.callback, 5);
await announced.until((_, callback) => callback.ready);
const published = await client.publish(eligibility, {
    CreatedDate: Date.now(),
    CreatedById: '0055h0000000001AAA',
    Account_Id__c: { string: made.id },
    Internet_Eligibility__c: { string: 'Home 1G' },
    Internet_Eligibility_Status__c: null,
    Id_Verification_Status__c: null,
});
const [announcement] = await announced.until((events) => events.length >= 1);

console.log(
    JSON.stringify({
        types: [created, updated].map((event) => event.payload.ChangeEventHeader.changeType),
        ids: [created, updated].map((event) => event.payload.ChangeEventHeader.recordIds[0] === made.id),
        name: created.payload.Name,
        changed: updated.payload.ChangeEventHeader.changedFields,
        nulled: updated.payload.ChangeEventHeader.nulledFields,
        phone: updated.payload.Phone,
        resumed: again.id === updated.id,
        published: published.error ?? null,
        announced: announcement.payload.Account_Id__c === made.id,
    }),
);
client.close();
process.exit(0);
