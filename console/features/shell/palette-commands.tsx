"use client";

import { Command } from "cmdk";
import { useRouter } from "next/navigation";
import { useTeams } from "@/features/teams/current";
import { useTranslations } from "@/lib/i18n";
import { withParams } from "@/lib/url";
import { useNavigation } from "./navigation-entries";

/** The pages and teams, of which the keyboard selects one. */
export function PaletteCommands({ onClose }: { onClose: () => void }) {
  const t = useTranslations("palette");
  const router = useRouter();
  const teams = useTeams();
  const { user, account, admin } = useNavigation();
  const go = (target: string) => () => {
    onClose();
    router.push(target);
  };
  return (
    <Command label={t("title")}>
      <Command.Input
        placeholder={t("placeholder")}
        className="h-10 w-full rounded-lg border border-line bg-ground px-3 placeholder:text-quiet"
      />
      <Command.List className="mt-3 max-h-80 overflow-y-auto">
        <Command.Empty className="p-4 text-center text-sm text-quiet">{t("empty")}</Command.Empty>
        <Command.Group heading={t("pages")} className="text-xs text-quiet">
          {[...user, ...account, ...admin].map(({ key, text, href, icon: Icon }) => (
            <Command.Item key={key} value={`${text} ${key}`} onSelect={go(href)} className={item}>
              <Icon className="size-4" aria-hidden />
              {text}
            </Command.Item>
          ))}
        </Command.Group>
        <Command.Group heading={t("teams")} className="mt-2 text-xs text-quiet">
          {teams.map((team) => (
            <Command.Item
              key={team.id}
              value={`${team.name} ${team.slug}`}
              onSelect={go(withParams("/", { team: team.slug }))}
              className={item}
            >
              {team.name}
            </Command.Item>
          ))}
        </Command.Group>
      </Command.List>
    </Command>
  );
}

const item =
  "flex cursor-pointer items-center gap-2.5 rounded-lg px-2.5 py-2 text-sm text-ink data-[selected=true]:bg-accent/10";
