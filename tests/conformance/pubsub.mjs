// salesforce-pubsub-api-client, unchanged, over TLS: log in by JWT, subscribe, write over REST, read events, resume, publish.
// Prints what it saw as one JSON line.
import { readFileSync } from 'node:fs';
import jsforce from 'jsforce';
import PubSubApiClient from 'salesforce-pubsub-api-client';

const { loginUrl, clientId, clientSecret, username, keyFile, pubSubEndpoint } = JSON.parse(process.argv[2]);
const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const channel = '/data/Portal__chn';
const eligibility = '/event/Account_Eligibility_Update__e';

async function connected() {
    const privateKey = readFileSync(keyFile, 'utf8');
    const address = { pubSubEndpoint, rejectUnauthorizedSsl: false };
    const login = { authType: 'oauth-jwt-bearer', loginUrl, clientId, username, privateKey };
    const client = new PubSubApiClient({ ...login, ...address }, quiet);
    await client.connect();
    return client;
}

// What a subscription received, to be awaited.
function inbox() {
    const events = [];
    let alive = false;
    let wake = () => {};
    const callback = (subscription, type, data) => {
        if (type === 'event') events.push(data);
        if (type === 'error') console.error(data);
        if (type === 'grpcKeepAlive') alive = true;
        wake();
    };
    const until = async (condition) => {
        while (!condition()) await new Promise((resolve) => (wake = resolve));
        return events;
    };
    return { callback, listening: () => until(() => alive), first: (count) => until(() => events.length >= count) };
}

const client = await connected();
const resuming = await connected();
const connection = new jsforce.Connection({ loginUrl, version: '66.0', oauth2: { loginUrl, clientId, clientSecret } });
await connection.authorize({ grant_type: 'client_credentials' });

const live = inbox();
client.subscribe(channel, live.callback, 20);
await live.listening();
const account = connection.sobject('Account');
const made = await account.create({ Name: 'Conformance', Phone: '1', BillingCity: 'Osaka' });
await account.update({ Id: made.id, Phone: null, BillingCity: 'Kobe', Type: 'Customer' });
const [created, updated] = await live.first(2);

const resumed = inbox();
resuming.subscribeFromReplayId(channel, resumed.callback, 20, created.replayId);
const [again] = await resumed.first(1);

const announced = inbox();
client.subscribe(eligibility, announced.callback, 5);
await announced.listening();
const published = await client.publish(eligibility, {
    CreatedDate: Date.now(),
    CreatedById: '0055h0000000001AAA',
    Account_Id__c: { string: made.id },
    Internet_Eligibility__c: { string: 'Home 1G' },
    Internet_Eligibility_Status__c: null,
    Id_Verification_Status__c: null,
});
const [announcement] = await announced.first(1);

const headers = [created, updated].map((event) => event.payload.ChangeEventHeader);
console.log(
    JSON.stringify({
        types: headers.map((header) => header.changeType),
        ids: headers.map((header) => header.recordIds[0] === made.id),
        name: created.payload.Name,
        changed: headers[1].changedFields,
        nulled: headers[1].nulledFields,
        phone: updated.payload.Phone,
        resumed: again.id === updated.id,
        published: published.error ?? null,
        announced: announcement.payload.Account_Id__c === made.id,
    }),
);
process.exit(0);
