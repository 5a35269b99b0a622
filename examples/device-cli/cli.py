#!/usr/bin/env python3
"""A command line that logs its user in by device code (RFC 8628). Python's standard library alone.

SITE is the address of the site, CLIENT_ID an OAuth Client with Allow Device Code and no secret.
"""

import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request

SITE, CLIENT_ID = os.environ["SITE"], os.environ["CLIENT_ID"]
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def post(url, **fields):
    """The answer, or the error in the words of OAuth."""
    try:
        with urllib.request.urlopen(url, urllib.parse.urlencode(fields).encode(), timeout=10) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return json.load(error)


def log_in():
    server = get(f"{SITE}/.well-known/oauth-authorization-server")
    codes = post(server["device_authorization_endpoint"], client_id=CLIENT_ID, scope="openid all")
    if "error" in codes:
        raise SystemExit(f"{codes['error']}: {codes.get('error_description', '')}")
    print(f"Open {codes['verification_uri']} and type in {codes['user_code']}", flush=True)
    pause = codes.get("interval", 5)
    while True:
        time.sleep(pause)
        answer = post(
            server["token_endpoint"], grant_type=DEVICE_CODE, client_id=CLIENT_ID, device_code=codes["device_code"]
        )
        if "access_token" in answer:
            return answer["access_token"]
        if answer["error"] == "slow_down":
            pause += 5
        elif answer["error"] != "authorization_pending":
            raise SystemExit(f"{answer['error']}: {answer.get('error_description', '')}")


if __name__ == "__main__":
    # A real application keeps the refresh token where only its user can read it.
    token = log_in()
    print("Logged in as", get(f"{SITE}/api/method/frappe.auth.get_logged_user", token)["message"], flush=True)
