// jsforce, unchanged, over plain http: log in, write, query in pages, be refused. Prints what it saw as one JSON line.
import jsforce from 'jsforce';

const { loginUrl, clientId, clientSecret, accountId } = JSON.parse(process.argv[2]);
const connection = new jsforce.Connection({ loginUrl, version: '66.0', oauth2: { loginUrl, clientId, clientSecret } });
const user = await connection.authorize({ grant_type: 'client_credentials' });

const order = { AccountId: accountId, EffectiveDate: '2026-02-01', Status: 'Pending Review' };
const key = `jsforce-${Date.now()}`;
const first = await connection.sobject('Order').upsert({ ...order, Portal_Order_Key__c: key }, 'Portal_Order_Key__c');
const second = await connection.sobject('Order').upsert({ ...order, Portal_Order_Key__c: key }, 'Portal_Order_Key__c');
const row = await connection.sobject('Order').retrieve(first.id);

const cases = Array.from({ length: 250 }, (_, number) => ({ Subject: `jsforce ${number}` }));
const made = await connection.sobject('Case').create(cases, { allowRecursive: true });
const pages = [];
let page = await connection.query("SELECT Id FROM Case WHERE Subject LIKE 'jsforce %'", {
    headers: { 'Sforce-Query-Options': 'batchSize=200' },
});
pages.push(page.records.length);
while (!page.done) {
    page = await connection.queryMore(page.nextRecordsUrl);
    pages.push(page.records.length);
}

const refusals = [];
for (const attempt of [
    () => connection.query('SELECT Nope FROM Account'),
    () => connection.sobject('Account').create({}),
    () => connection.sobject('Account').retrieve(accountId.replace('00000', '0zzzz')),
]) {
    await attempt().catch((error) => refusals.push(error.errorCode));
}

const description = await connection.sobject('Order').describe();
await connection.sobject('Order').destroy(first.id);
const deleted = await connection.query(`SELECT Id FROM Order WHERE Id = '${first.id}'`, { scanAll: true });

console.log(
    JSON.stringify({
        user: user.organizationId,
        created: [first.created, second.created],
        same: first.id === second.id,
        status: row.Status,
        cases: made.filter((each) => each.success).length,
        pages,
        refusals,
        fields: description.fields.length,
        deleted: deleted.totalSize,
        limit: connection.limitInfo.apiUsage.limit,
    }),
);
