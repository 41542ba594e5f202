"use client";

import type { ReactNode } from "react";
import { MoreTexts } from "@/lib/i18n";
import account from "@/messages/en/account.json";
import apiKeys from "@/messages/en/api-keys.json";
import team from "@/messages/en/team.json";

const english = { ...account, ...apiKeys, ...team };

export function ApiKeyTexts({ children }: { children: ReactNode }) {
  return <MoreTexts english={english}>{children}</MoreTexts>;
}
