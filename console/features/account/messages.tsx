"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import account from "@/messages/en/account.json";
import identities from "@/messages/en/identities.json";
import security from "@/messages/en/security.json";
import sessions from "@/messages/en/sessions.json";

const english = { ...account, ...security, ...sessions, ...identities };

export function AccountTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
