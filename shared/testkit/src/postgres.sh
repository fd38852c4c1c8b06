# Owns one temporary PostgreSQL cluster: ends it and removes its files when standard input closes, which the
# system does for us however the test process ends.
# usage: sh -c "$this" postgres.sh BIN_DIR, with PGPASSWORD set; then one line with a port to listen on.
set -eu
bin=$1
umask 077
dir=$(mktemp -d "${TMPDIR:-/tmp}/llm-api-pg.XXXXXX" 2>/dev/null) || dir=$(mktemp -d /tmp/llm-api-pg.XXXXXX)
finish() {
  trap - EXIT
  if [ -f "$dir/data/postmaster.pid" ]; then "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1 || :; fi
  rm -rf "$dir"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
trap '' PIPE

fail() {
  cat "$dir/log" >&2
  exit 1
}

certificate() {
  key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  # shellcheck disable=SC2086 # a list of words
  openssl req -x509 $key -days 2 -subj '/CN=test authority' -keyout "$dir/ca.key" -out "$dir/ca.crt" &&
    openssl req $key -subj /CN=localhost -keyout "$dir/server.key" -out "$dir/server.csr" &&
    printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n' >"$dir/extensions" &&
    openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 2 \
      -extfile "$dir/extensions" -out "$dir/server.crt"
}

printf '%s\n' "$PGPASSWORD" >"$dir/password"
"$bin/initdb" -D "$dir/data" -U postgres --pwfile="$dir/password" --auth=scram-sha-256 -E UTF8 --locale=C --no-sync \
  >"$dir/log" 2>&1 || fail
certificate >>"$dir/log" 2>&1 || fail
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 300
ssl = on
ssl_cert_file = '$dir/server.crt'
ssl_key_file = '$dir/server.key'
# Nothing here outlives the tests.
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
CONF
echo "initialised $dir"

# A port that was free a moment ago may be taken by now: then the next line brings another.
while read -r port; do
  if "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -o "-p $port" -w -t 30 start >/dev/null 2>&1 </dev/null; then
    echo started
  else
    cat "$dir/log" >&2
    echo failed
  fi
done
