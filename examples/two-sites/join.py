#!/usr/bin/env python3
"""Joins two sites: people log in at the branch with their account at the head office (Social Login Key), and the branch calls
the head office in the name of each (Connected App). Python's standard library alone.

HEAD and BRANCH are the addresses of the sites, HEAD_KEY and BRANCH_KEY API keys of a System Manager there, as
`doctyped key Administrator` prints them. Sites call each other by https, unless they are started with
DOCTYPED_DEVELOPMENT=true. What this does by the API can be done by the forms as well.
"""

import json
import os
import urllib.error
import urllib.parse
import urllib.request


class Site:
    def __init__(self, address, key):
        self.address, self.key = address.rstrip("/"), key

    def ask(self, method, path, values=None):
        headers = {"Authorization": f"token {self.key}", "Content-Type": "application/json", "Accept": "application/json"}
        body = None if values is None else json.dumps(values).encode()
        request = urllib.request.Request(self.address + urllib.parse.quote(path), body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path} at {self.address}: {error.code} {error.read().decode(errors='replace')[:500]}") from None

    def create(self, doctype, **values):
        return self.ask("POST", f"/api/resource/{doctype}", values)

    def update(self, doctype, name, **values):
        return self.ask("PUT", f"/api/resource/{doctype}/{name}", values)


def introduce(head, name, redirect_uri, scopes):
    """Registers the branch as an application at the head office; returns its credentials."""
    client = head.create("OAuth Client", app_name=name, default_redirect_uri=redirect_uri, scopes=scopes)
    return {"client_id": client["client_id"], "client_secret": client["client_secret"]}


def log_in_with(branch, head):
    """Has people log in at the branch with their account at the head office."""
    scopes = "openid email profile"
    key = branch.create(
        "Social Login Key", provider_name="Head Office", social_login_provider="Custom", base_url=head.address,
        openid_configuration="/.well-known/openid-configuration", scopes=scopes, sign_ups="Allow",
    )
    credentials = introduce(head, "Branch: login", key["redirect_url"], scopes)
    branch.update("Social Login Key", key["name"], enable_social_login=1, **credentials)
    return f"{branch.address}/login/with/{key['name']}"


def call(branch, head):
    """Has the branch call the API of the head office in the name of whoever connects."""
    scopes = "openid email all"
    app = branch.create(
        "Connected App", provider_name="Head Office", openid_configuration=f"{head.address}/.well-known/openid-configuration"
    )
    filled = f"/api/v2/document/Connected App/{app['name']}/method/fill_from_discovery"
    branch.ask("POST", filled, {})
    app = branch.ask("GET", f"/api/resource/Connected App/{app['name']}")
    credentials = introduce(head, "Branch: calls", app["redirect_uri"], scopes)
    branch.update("Connected App", app["name"], scopes=[{"scope": scopes}], allowed_base_urls=head.address, **credentials)
    return f"{branch.address}/connected-app/{app['name']}"


def main():
    head, branch = (Site(os.environ[name], os.environ[f"{name}_KEY"]) for name in ("HEAD", "BRANCH"))
    # Sites in one's own network may call each other only where that is said.
    hosts = [urllib.parse.urlsplit(site.address).netloc for site in (head, branch)]
    for site, other in ((branch, hosts[0]), (head, hosts[1])):
        site.update("OAuth Settings", "OAuth Settings", allowed_private_hosts=other)
    print("Log in at the branch:", log_in_with(branch, head), flush=True)
    print("Connect your account:", call(branch, head), flush=True)


if __name__ == "__main__":
    main()
