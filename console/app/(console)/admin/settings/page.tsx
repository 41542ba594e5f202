export { SettingList as default } from "@/features/system-settings/list";
