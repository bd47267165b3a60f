// SPDX-License-Identifier: Apache-2.0
// boto3 with placeholders, through the gate, to moto with a key that moto checks every signature of.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { after, before, describe, it } from 'node:test'
import tls from 'node:tls'
import { promisify } from 'node:util'
import type { AwsKey, Signing } from '../../packages/gate/src/contract.ts'
import { rule, startGate, TestAuthority, type TestGate } from '../../packages/gate/src/http/_harness.ts'
import { motoPackages } from '../../scripts/servers/moto.ts'
import { Moto } from './_moto.ts'

const REGION = 'eu-central-1'
const DOMAIN = 'amazonaws.com'
const HOSTS = ['s3', 'sts', 'dynamodb', 'iam'].flatMap((service) => [`${service}.${REGION}.${DOMAIN}`, `${service}.us-east-1.${DOMAIN}`])
const PLACEHOLDER: AwsKey = {
  accessKeyId: 'AKIAPLACEHOLDERKEY23',
  secretAccessKey: 'placeholder/of/the/secret/access/key/012',
  sessionToken: null,
}
const ALL = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: '*', Resource: '*' }] })

/** Names lead to this machine; everything else is boto3 as it is. */
const PRELUDE = `
import io, json, socket, sys, urllib.request, ssl
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **named: real('127.0.0.1' if str(host).endswith('.amazonaws.com') else host, *rest, **named)
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
port, authority, key_id, key, region = sys.argv[1:6]
def client(service, key_id=key_id, key=key, region=region, endpoint=None, **more):
    config = Config(retries={'max_attempts': 0}, connect_timeout=60, read_timeout=60, **more)
    return boto3.client(service, endpoint_url=endpoint or f'https://{service}.{region}.amazonaws.com:{port}', verify=authority, aws_access_key_id=key_id, aws_secret_access_key=key, region_name=region, config=config)
def code(call):
    try:
        call()
        return 'ok'
    except ClientError as error:
        return str(error.response['ResponseMetadata']['HTTPStatusCode']) + ' ' + error.response['ResponseMetadata']['HTTPHeaders'].get('x-sallyport-refused', error.response['Error']['Code'])
    except ResponseParserError as error:
        return 'what AWS would not say' if 'is for the service' in str(error) else str(error)
`

/** In front of moto, whose certificates are its own business: the bytes stay what they are. */
async function tlsInFrontOf(
  address: string,
  certificateOf: (name: string) => { readonly cert: string; readonly key: string },
): Promise<tls.Server> {
  const { hostname, port } = new URL(address)
  const SNICallback: tls.TlsOptions['SNICallback'] = (name, done) => done(null, tls.createSecureContext(certificateOf(name)))
  const server = tls.createServer({ SNICallback }, (socket) => {
    const upstream = connect(Number(port), hostname)
    socket.on('error', () => upstream.destroy()).pipe(upstream)
    upstream.on('error', () => socket.destroy()).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

describe('boto3 with a placeholder, and moto that checks signatures', () => {
  const internet = new TestAuthority(DOMAIN)
  let moto: Moto
  let front: tls.Server
  let gate: TestGate
  let key: AwsKey

  before(async () => {
    moto = await Moto.start()
    key = await moto.keyOf('ci', ALL)
    await moto.checkSignatures()
    front = await tlsInFrontOf(moto.address, (name) => internet.for(name))
    const hosts = [{ kind: 'suffix', name: DOMAIN }] as const
    const aws = { services: ['s3', 'sts', 'dynamodb'], regions: [REGION] }
    const signings: Signing[] = [{ rule: { name: 'AWS', hosts, aws, methods: null, paths: null }, placeholder: PLACEHOLDER, value: key }]
    const { port } = front.address() as { port: number }
    gate = await startGate({
      rules: [rule(`*.${DOMAIN}`)],
      servers: Object.fromEntries(HOSTS.map((name) => [name, port])),
      internet,
      signings,
      meantPort: 'own',
    })
  })
  after(async () => {
    await gate?.close()
    front?.close()
    await moto?.[Symbol.asyncDispose]()
  })

  /** What the script prints, of JSON. */
  async function boto(
    script: string,
    { accessKeyId, secretAccessKey }: AwsKey = PLACEHOLDER,
    authority = gate.authorityFile,
    port = gate.port,
  ): Promise<unknown> {
    const args = ['-c', PRELUDE + script, String(port), authority, accessKeyId, secretAccessKey, REGION]
    const env = {
      PATH: process.env['PATH'] ?? '',
      PYTHONPATH: motoPackages() ?? '',
      AWS_EC2_METADATA_DISABLED: 'true',
      HOME: '/nonexistent',
    }
    const { stdout } = await promisify(execFile)('/usr/bin/python3', args, { env, timeout: 300_000 })
    return JSON.parse(stdout)
  }

  it('moto does check: what the placeholder has signed is refused there, as is a wrong secret key', async () => {
    const script = `
s3 = client('s3', s3={'addressing_style': 'path'})
print(json.dumps([code(s3.list_buckets)]))
`
    // Past the gate.
    const direct = async (by: AwsKey): Promise<unknown> => {
      const { port } = new URL(moto.address)
      return boto(script.replace("client('s3',", `client('s3', endpoint='http://127.0.0.1:${port}',`), by)
    }
    assert.deepEqual(await direct(PLACEHOLDER), ['403 InvalidAccessKeyId'])
    assert.deepEqual(await direct({ ...key, secretAccessKey: 'wrong' }), ['403 SignatureDoesNotMatch'])
    assert.deepEqual(await direct(key), ['ok'])
  })

  it('S3, STS and DynamoDB take what the gate has signed', async () => {
    const said = await boto(`
s3 = client('s3', s3={'addressing_style': 'path'})
signed = client('s3', s3={'addressing_style': 'path', 'payload_signing_enabled': True})
s3.create_bucket(Bucket='bucket', CreateBucketConfiguration={'LocationConstraint': region})
s3.put_object(Bucket='bucket', Key='a key/with ~ (odd) names+é', Body=b'one', Metadata={'note': 'two  spaces'})
signed.put_object(Bucket='bucket', Key='signed', Body=b'two', ContentType='text/plain')
big = b'x' * (9 << 20)
s3.upload_fileobj(io.BytesIO(big), 'bucket', 'big')
out = io.BytesIO()
s3.download_fileobj('bucket', 'big', out)
keys = [each['Key'] for each in s3.list_objects_v2(Bucket='bucket', Prefix='a key/')['Contents']]
part = s3.get_object(Bucket='bucket', Key='signed', Range='bytes=1-')['Body'].read().decode()
who = client('sts').get_caller_identity()['Arn']
dynamo = client('dynamodb')
dynamo.create_table(TableName='t', AttributeDefinitions=[{'AttributeName': 'k', 'AttributeType': 'S'}], KeySchema=[{'AttributeName': 'k', 'KeyType': 'HASH'}], BillingMode='PAY_PER_REQUEST')
dynamo.put_item(TableName='t', Item={'k': {'S': 'é'}})
item = dynamo.get_item(TableName='t', Key={'k': {'S': 'é'}})['Item']['k']['S']
print(json.dumps([keys, part, out.getvalue() == big, who, item]))
`)
    assert.deepEqual(said, [['a key/with ~ (odd) names+é'], 'wo', true, 'arn:aws:iam::123456789012:user/ci', 'é'])
    assert.deepEqual(gate.refusals, [])
  })

  it('another region, service, secret key and a long presigned URL are refused by name', async () => {
    const before = gate.refusals.length
    const said = await boto(`
path = {'s3': {'addressing_style': 'path'}, 'signature_version': 's3v4'}
def get(url):
    try:
        return urllib.request.urlopen(url, context=ssl.create_default_context(cafile=authority)).read().decode()
    except urllib.error.HTTPError as error:
        return str(error.code) + ' ' + str(error.headers.get('x-sallyport-refused'))
sign = lambda seconds: client('s3', **path).generate_presigned_url('get_object', Params={'Bucket': 'bucket', 'Key': 'signed'}, ExpiresIn=seconds)
print(json.dumps([
    code(client('s3', region='us-east-1', **path).list_buckets),
    code(client('iam').list_users),
    code(client('s3', key='wrong', **path).list_buckets),
    get(sign(604800)),
    get(sign(900).replace('signed', 'big')),
]))
`)
    assert.deepEqual(said, ['403 signature', 'what AWS would not say', ...Array.from({ length: 3 }, () => '403 signature')])
    assert.deepEqual(
      gate.refusals.slice(before).map(({ code }) => code),
      Array.from({ length: 5 }, () => 'signature'),
    )
  })
})
