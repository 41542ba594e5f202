export { SettingTexts as default } from "@/features/system-settings/messages";
