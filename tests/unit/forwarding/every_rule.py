"""Tables with every rule that may decide what a request becomes."""

TABLE = """
version: 1
defaults:
  forwarded: {trusted_proxies: [192.0.2.0/28]}
  explain: {expose_to: [192.0.2.0/28]}
backends:
  legacy: http://127.0.0.1:1
  picky:
    url: http://127.0.0.1:2
    cookies: {allow: [a, uid]}
    headers: {remove: [x-secret]}
    preserve_host: true
  renamed: {url: "http://127.0.0.1:6", cookies: {rename: {a: b}, remove: [uid]}}
  unforwarded: {url: "http://127.0.0.1:4", headers: {remove: [forwarded, via, traceparent]}}
  unprefixed: {url: "http://127.0.0.1:5", headers: {remove: [x-forwarded-prefix]}}
  strict: {url: "http://127.0.0.1:3", preserve_host: false, headers: {allow: [accept, cookie, x-b]}}
cohorts:
  people: {salt: s, hash_policy: [{cookie: uid}, {header: x-user}]}
  newcomers: {salt: s, hash_policy: [{cookie: beta}, {cookie: b, generate: true}]}
  addresses: {salt: s, hash_policy: [{header: x-none}, {source_ip: true}]}
  items: {salt: s, hash_policy: [{path_parameter: id}]}
  reported: {salt: s, hash_policy: [{header: x-forwarded-for}]}
  writers: {salt: s, hash_policy: [{cookie: uid}], read_your_writes: {ttl: 10s}}
routes:
  - {name: plain, match: {path: {prefix: /plain}}, backend_refs: legacy}
  - {name: picky, match: {path: {prefix: /picky}}, backend_refs: picky}
  - {name: strict, match: {path: {prefix: /strict}}, backend_refs: strict}
  - {name: renamed, match: {path: {prefix: /renamed}}, backend_refs: renamed}
  - {name: canary, match: {path: {prefix: /canary}}, backend_refs: {legacy: 50, picky: 50}}
  - {name: small, match: {path: {prefix: /small}}, limits: {max_body_bytes: 1KiB}, backend_refs: legacy}
  - name: cohort
    match: {path: {prefix: /cohort}}
    cohort: people
    backend_refs: {legacy: 50, picky: 50}
  - name: ids
    match: {path: {prefix: /ids}}
    stage: canary
    cohort: newcomers
    backend_refs: {legacy: 50, picky: 50}
  - name: addresses
    match: {path: {prefix: /addresses}}
    cohort: addresses
    backend_refs: {legacy: 50, picky: 50}
  - name: items
    match: {path: {template: "/items/{id}"}}
    cohort: items
    backend_refs: {legacy: 50, picky: 50}
  - name: reported
    match: {path: {prefix: /reported}}
    cohort: reported
    backend_refs: {legacy: 50, picky: 50}
  - name: writers
    match: {path: {prefix: /writers}}
    cohort: writers
    override: {header: x-choice, allow_from: [192.0.2.0/25]}
    backend_refs: {legacy: 50, picky: 50}
  - name: dark
    match: {path: {prefix: /dark}}
    stage: legacy
    override: {cookie: choice, allow_from: [192.0.2.0/28]}
    backend_refs: [legacy, picky]
  - name: read
    match: {path: {prefix: /read}, cookies: {beta: {exact: "1"}}, query: {q: {present: true}}}
    backend_refs: strict
  - name: edited
    match: {path: {prefix: /edited}}
    request: {headers: {set: {x-more: "1", x-b: ours}, add: {x-b: again}, remove: [accept]}}
    response: {headers: {set: {x-by: facade}, remove: [server]}}
    backend_refs:
      - name: picky
        request: {headers: {set: {x-more: "2"}, remove: [x-b]}}
        url_rewrite: {path: {replace_prefix_match: /inner}, hostname: inner.example}
  - name: own-ids
    match: {path: {prefix: /own-ids}}
    request: {headers: {set: {x-request-id: ours, via: nobody}}}
    backend_refs: legacy
  - name: hidden
    match: {path: {prefix: /hidden}}
    response: {headers: {remove: [x-request-id], set: {x-facade-decision: ours}}}
    backend_refs: legacy
  - name: own-prefix
    match: {path: {prefix: /prefixed/own}}
    request: {headers: {set: {x-forwarded-prefix: /own}}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - name: no-prefix
    match: {path: {prefix: /prefixed/none}}
    backend_refs: [{name: unprefixed, url_rewrite: {path: {replace_prefix_match: /}}}]
  - name: prefixed
    match: {path: {prefix: /prefixed}}
    request: {headers: {add: {x-more: "1"}}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - {name: unforwarded, match: {path: {prefix: /unforwarded}}, backend_refs: unforwarded}
  - name: secure
    match: {path: {prefix: /secure}, headers: {x-forwarded-proto: {exact: https}}}
    backend_refs: picky
  - {name: insecure, match: {path: {prefix: /secure}}, redirect: {scheme: https}}
  - {name: gone, match: {path: {prefix: /gone}}, redirect: {path: /plain}}
  - name: shared
    match: {path: {prefix: /shared}, methods: [GET, HEAD]}
    cors: {allow_origins: ["https://*.example"], allow_credentials: true}
    backend_refs: {legacy: 50, picky: 50}
  - name: values
    match: {path: {template: "/values/{id}"}}
    request: {headers: {set: {x-client: "{client}", x-b: "{header.x-none}"}, add: {x-id: "{path.id} {request_id}"}}}
    response: {headers: {set: {x-by: "{host} {query.q}"}}}
    backend_refs: {legacy: 50, picky: 50}
  - name: queries
    match: {path: {prefix: /queries}}
    backend_refs:
      - {name: legacy, url_rewrite: {query: {set: {from: "{scheme}"}, remove: [q]}}}
  - name: views
    match: {path: {exact: /views}, query: {q: {present: true}}}
    backend_refs:
      - {name: legacy, url_rewrite: {path: {template: "/items/{query.q}"}, query: {remove: [q]}}}
  - {name: sent-on, match: {path: {template: "/sent-on/{id}"}}, redirect: {template: "/n/{id}/{client}"}}
  - {name: api, match: {path: {prefix: /a}}, backend_refs: legacy}
  - {name: others, match: {path: {prefix: /shared}}, backend_refs: legacy}
  - name: several
    match:
      - {path: {prefix: /several}}
      - {path: {prefix: /more/several}, cookies: {beta: "1"}}
      - {hosts: [several.example, "*.several.example"]}
    request: {headers: {set: {x-more: "1"}}}
    backend_refs: {legacy: 50, picky: 50}
  - name: moved
    match: [{path: {prefix: /moved}}, {path: {prefix: /moved/away/to}}]
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /inner}}}]
  - name: any-case
    match: {path: {template: "/Any/{case}/x", ignore_case: true}}
    backend_refs: [{name: picky, url_rewrite: {path: {template: "/case/{case}"}}}]
  - name: tail
    match: {path: {template: "/tail/{tenant}/orders/**"}}
    backend_refs: [{name: legacy, url_rewrite: {path: {template: "/o/{tenant}/**"}}}]
  - name: reversed
    match: {path: {prefix: /reversed}}
    backend_refs:
      - name: legacy
        url_rewrite:
          path: {replace_full_path: /inner}
          reverse: {prefix: /inner, replace_prefix_match: /reversed}
  - name: left-out
    match:
      path: {prefix: /left}
      not: [{path: {prefix: /left/out}}, {cookies: {beta: "1"}, scheme: https}]
    backend_refs: picky
  - {name: by-scheme, match: {path: {prefix: /left}, scheme: https}, backend_refs: strict}
  - name: listed
    match: {path: {prefix: /listed}, headers: {accept: {exact: "*/*", members: true}}}
    backend_refs: legacy
  - name: any-prefix
    match: {path: {prefix: /Any, ignore_case: true}}
    backend_refs: [{name: strict, url_rewrite: {path: {replace_prefix_match: /inner}}}]
  - name: judged
    match: {path: {prefix: /judged}}
    response_ok: {json_type: array}
    retry: {attempts: 1}
    fallback: {triggers: [not_ok, 500]}
    backend_refs: {legacy: 50, picky: 50}
  - {name: by-host, match: {hosts: ["*.example"], path: {prefix: /host}}, backend_refs: strict}
"""
PLAIN_TABLE = """
version: 1
backends: {legacy: "http://127.0.0.1:1"}
routes: [{name: all, backend_refs: legacy}]
"""
UNSEEN_TABLE = """
version: 1
defaults:
  forwarded: {trusted_proxies: [192.0.2.0/28], via: off, allow_headers: [x-forwarded-prefix, x_under]}
backends: {legacy: "http://127.0.0.1:1"}
routes:
  - name: prefixed
    match: {path: {prefix: /prefixed}}
    backend_refs: [{name: legacy, url_rewrite: {path: {replace_prefix_match: /}}}]
  - {name: all, backend_refs: legacy}
"""
