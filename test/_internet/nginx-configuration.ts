// SPDX-License-Identifier: Apache-2.0
import { ORIGINS, ORIGINS6 } from './addresses.ts'

/** What the server of packages takes. */
export const PACKAGE_TOKEN = 'pkg_0123456789abcdefABCDEFghijklmnop'

export interface NginxPlaces {
  readonly directory: string
  readonly root: string
  readonly certificate: string
  readonly key: string
}

/** One server for the honest names and one for the attacker's, each in clear and over TLS; what is asked for stands in the access log. */
export function nginxConfiguration(places: NginxPlaces): string {
  const server = (addresses: readonly string[], title: string): string => `
    server {
      ${addresses.map((address) => `listen ${address}:80; listen ${address}:443 ssl http2;`).join(' ')}
      server_name _;
      ssl_certificate ${places.certificate};
      ssl_certificate_key ${places.key};
      ssl_protocols TLSv1.2 TLSv1.3;
      access_log ${places.directory}/access.log facts;
      root ${places.root};
      autoindex on;
      location = /connections { access_log off; stub_status; }
      location = /title { default_type text/plain; return 200 "${title} $host $request_method\\n"; }
      location = /echo { default_type text/plain; return 200 "authorization=$http_authorization token=$http_x_token query=$args\\n"; }
      location /upload { default_type text/plain; client_body_in_file_only clean; proxy_pass http://127.0.0.1:8999; }
      location /packages/ { root ${places.directory}; dav_methods PUT; create_full_put_path on; if ($http_authorization != "Bearer ${PACKAGE_TOKEN}") { return 401; } }
      location /moved/ { return 307 https://$host/packages/moved; }
      location /repos/ { default_type application/json; return 201 "{\\"created\\":\\"$request_uri\\"}\\n"; }
      location = /graphql { default_type application/json; return 200 "{\\"data\\":{}}\\n"; }
      location = /socket { proxy_pass http://${ORIGINS.web}:8081; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "Upgrade"; }
    }`
  return `
  daemon off;
  master_process off;
  pid ${places.directory}/nginx.pid;
  error_log ${places.directory}/error.log warn;
  events { worker_connections 4096; }
  http {
    include /etc/nginx/mime.types;
    client_max_body_size 1g;
    log_format facts escape=json '{"kind":"http","host":"$host","server":"$server_addr","port":"$server_port","method":"$request_method","uri":"$request_uri","status":"$status","protocol":"$server_protocol","bytes":$request_length,"authorization":"$http_authorization","sni":"$ssl_server_name"}';
    client_body_temp_path ${places.directory}/body;
    proxy_temp_path ${places.directory}/proxy;
    fastcgi_temp_path ${places.directory}/fastcgi;
    uwsgi_temp_path ${places.directory}/uwsgi;
    scgi_temp_path ${places.directory}/scgi;
    server { listen 127.0.0.1:8999; access_log off; location / { return 200 "stored\\n"; } }
    ${server([ORIGINS.web, `[${ORIGINS6.web}]`], 'honest')}
    ${server([ORIGINS.evil], 'evil')}
  }`
}
