# Owns one PgBouncer: ends it and removes its files when standard input closes, which the system does for us however
# the test process ends.
# usage: sh -c "$this" pgbouncer.sh MODE SERVERS DATABASE_PORT CERTIFICATES, with USERS set; then one line with a port
# to listen on.
set -eu
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/llm-api-pgb.XXXXXX" 2>/dev/null) || dir=$(mktemp -d /tmp/llm-api-pgb.XXXXXX)
pid=
finish() {
  trap - EXIT
  if [ -n "$pid" ]; then
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  fi
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE
PATH=$PATH:/usr/sbin

printf '%s\n' "$USERS" >"$dir/users"
# Nothing but the mode and the size differs from what the package ships, except for what a test cannot do without.
cat >"$dir/ini" <<CONF
[databases]
* = host=127.0.0.1 port=$3
[pgbouncer]
pool_mode = $1
default_pool_size = $2
max_client_conn = 300
listen_addr = 127.0.0.1
unix_socket_dir = $dir
auth_type = scram-sha-256
auth_file = $dir/users
client_tls_sslmode = allow
client_tls_key_file = $4/server.key
client_tls_cert_file = $4/server.crt
CONF

# A port that was free a moment ago may be taken by now: then the next line brings another.
while read -r port; do
  echo "listen_port = $port" >>"$dir/ini"
  pgbouncer -q "$dir/ini" >"$dir/log" 2>&1 </dev/null &
  pid=$!
  # The socket comes last.
  until [ -S "$dir/.s.PGSQL.$port" ]; do
    if ! kill -0 "$pid" 2>/dev/null; then
      cat "$dir/log" >&2
      pid=
      break
    fi
    sleep 0.02
  done
  if [ -n "$pid" ]; then echo started; else echo failed; fi
done
